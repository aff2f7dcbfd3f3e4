import { test } from 'tap'
import { LOGIN, accessToken, code2Session, post, simulate } from '../../helpers/simulator.js'

test('errcode: has the format of WeChat\'s refusals', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  wechat.fault({ errcode: 99999 }, { times: 1 })
  wechat.fault({ errcode: 40226, errmsg: 'custom text' }, { times: 1 })
  wechat.fault({ errcode: 45009 }, { times: 1 })

  t.match(await code2Session(wechat, 'code'), {
    status: 200, contentType: 'text/plain', json: { errcode: 45011, errmsg: /^api minute-quota reach limit/ }
  })
  t.match((await code2Session(wechat, 'code')).json, { errcode: 99999, errmsg: /^unknown error/ })
  t.strictSame((await code2Session(wechat, 'code')).json, { errcode: 40226, errmsg: 'custom text' })
  t.match(await post(wechat, '/wxa/any', {}), {
    contentType: 'application/json; encoding=utf-8', json: { errcode: 45009 }
  })
})

test('faults: apply first in, first out', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ errcode: 1 }, { times: 2 })
  wechat.fault({ errcode: 2 }, { times: 1 })
  const errcodes = []
  for (let i = 0; i < 4; i++) errcodes.push((await code2Session(wechat, wechat.login('alice'))).json.errcode)
  t.strictSame(errcodes, [1, 1, 2, undefined])
})

test('faults: apply until they are removed', async (t) => {
  const { wechat } = await simulate(t)
  const remove = wechat.fault({ errcode: 1 })
  wechat.fault({ errcode: 2 })
  t.equal((await code2Session(wechat, 'code')).json.errcode, 1)
  t.equal((await code2Session(wechat, 'code')).json.errcode, 1)
  remove()
  t.equal((await code2Session(wechat, 'code')).json.errcode, 2)
  wechat.clearFaults()
  t.equal((await code2Session(wechat, 'code')).json.errcode, 40029)
})

test('path: restricts a fault to one path', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ errcode: 1 }, { path: LOGIN })
  t.ok((await accessToken(wechat)).access_token)
  t.equal((await code2Session(wechat, 'code')).json.errcode, 1)
})

test('processed: a fault uses the code up', async (t) => {
  const { wechat } = await simulate(t)
  const code = wechat.login('alice')
  wechat.fault({ errcode: -1 }, { times: 1 })
  wechat.fault({ reset: true, processed: true }, { times: 1 })

  t.equal((await code2Session(wechat, code)).json.errcode, -1)
  await t.rejects(code2Session(wechat, code))
  t.equal((await code2Session(wechat, code)).json.errcode, 40163)
})

test('delay: a promise delays the regular response', async (t) => {
  const { wechat } = await simulate(t)
  let release = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { release = resolve }) }, { times: 1 })
  const arrived = wechat.nextRequest()
  let answered = false
  const answer = code2Session(wechat, wechat.login('alice')).finally(() => { answered = true })

  await arrived
  await accessToken(wechat)
  t.equal(answered, false)
  release()
  t.equal((await answer).json.openid, wechat.openid('alice'))
})

test('delay: combines with other faults', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ delay: 1, errcode: -1 }, { times: 1 })
  wechat.fault({ delay: 1, processed: true }, { times: 1 })
  t.equal((await code2Session(wechat, 'code')).json.errcode, -1)
  t.equal((await code2Session(wechat, wechat.login('alice'))).json.openid, wechat.openid('alice'))
})

test('status, headers, body: replace the regular response', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ status: 502, body: '<h1>Bad Gateway</h1>', contentType: 'text/html' }, { times: 1 })
  wechat.fault({ status: 503, headers: { 'x-custom': '1' } }, { times: 1 })
  wechat.fault({ body: '{"openid":"o' }, { times: 1 })

  t.match(await code2Session(wechat, 'code'), { status: 502, contentType: 'text/html', text: '<h1>Bad Gateway</h1>' })
  const response = await fetch(wechat.url + LOGIN)
  t.match(response, { status: 503 })
  t.equal(response.headers.get('x-custom'), '1')
  t.match(await code2Session(wechat, 'code'), { status: 200, contentType: 'text/plain', text: '{"openid":"o' })
})

test('redirect: responds with HTTP 302', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ redirect: 'http://127.0.0.1:1/' })
  const response = await fetch(wechat.url + LOGIN, { redirect: 'manual' })
  t.equal(response.status, 302)
  t.equal(response.headers.get('location'), 'http://127.0.0.1:1/')
})

test('huge: adds white space before the regular response', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ huge: 100_000 })
  const { text, json } = await code2Session(wechat, wechat.login('alice'))
  t.equal(json.openid, wechat.openid('alice'))
  t.equal(text.length, 100_000 + text.trim().length)
})

test('huge: a client may cancel the response', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ huge: 100_000_000 }, { times: 1 })
  const response = await fetch(wechat.url + LOGIN)
  await response.body?.cancel()
  t.equal((await code2Session(wechat, 'code')).json.errcode, 40029)
})

test('stall: sends the first half of the body and keeps the connection open', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ stall: 'body' })
  const response = await fetch(`${wechat.url}${LOGIN}`)
  t.equal(response.headers.get('content-type'), 'text/plain')
  const reader = response.body!.getReader()
  const { value } = await reader.read()
  t.match(new TextDecoder().decode(value), /^{"errcode":41002/)

  const aborted = t.rejects(reader.read(), 'only close() ends the response')
  await wechat.close()
  await aborted
})

test('truncate: closes the connection after the first half of the body', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ truncate: true })
  const response = await fetch(`${wechat.url}${LOGIN}`)
  t.equal(response.status, 200)
  await t.rejects(response.text())
})
