import { inspect } from 'node:util'
import { test } from 'tap'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { startWechatClient } from '../helpers/wechat-client.js'

test('request: calls any API that takes an access_token', async (t) => {
  const requests: { method?: string | undefined, url: URL, type?: string | undefined, body: string }[] = []
  const wechat = await startRawWechat(t, (request, response) => {
    let body = ''
    request.on('data', (chunk) => { body += chunk })
    request.on('end', () => {
      const url = new URL(request.url!, 'http://wechat')
      requests.push({ method: request.method, url, type: request.headers['content-type'], body })
      response.end(url.pathname === '/cgi-bin/stable_token'
        ? '{"access_token":"the+token/=","expires_in":7200}'
        : '{"errcode":0,"errmsg":"ok","result":{"suggest":"pass"}}')
    })
  })
  const { client } = await startWechatClient(t, { baseUrl: wechat.url })
  t.strictSame(await client.request('/wxa/msg_sec_check', {
    query: { a: 'b&c=d', access_token: 'mine' }, body: { content: '微信' }
  }), {
    errcode: 0, errmsg: 'ok', result: { suggest: 'pass' }
  })
  t.match(requests[1], { method: 'POST', type: 'application/json', body: '{"content":"微信"}' })
  t.strictSame(Object.fromEntries(requests[1]!.url.searchParams), { a: 'b&c=d', access_token: 'the+token/=' },
    'an access_token of the caller is replaced')
  await client.request('/wxa/get_something.v2')
  t.match(requests[2], { method: 'GET', body: '' })
  t.equal(`${requests[2]!.url.pathname}${requests[2]!.url.search}`,
    '/wxa/get_something.v2?access_token=the%2Btoken%2F%3D')
  await client.request('/wxa/empty-body', { body: {} })
  t.match(requests[3], { method: 'POST', body: '{}' })
})

test('request: resolves without an errcode, and rejects with the errcode', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const path = '/wxa/getwxadevinfo'
  wechat.fault({ body: '{"data":[]}' }, { path, times: 1 })
  t.strictSame(await client.request(path), { data: [] })
  for (const [errcode, code] of [
    [87014, 'FST_WEAPP_WECHAT_BAD_REPLY'], [45009, 'FST_WEAPP_WECHAT_LIMITED'], [48001, 'FST_WEAPP_WECHAT_CONFIG']
  ] as const) {
    wechat.fault({ errcode, errmsg: 'canary' }, { path, times: 1 })
    const error = await client.request(path).then(() => t.fail('no error'), (error) => error)
    t.match(error, { code, errcode })
    t.notOk(inspect(error).includes('canary'), 'the error does not contain errmsg')
  }
})

test('request: rejects an unknown option, such as a wrong name of the body', async (t) => {
  const { client, paths } = await startWechatClient(t)
  const proof = { openid: 'o', sessionKey: 'key' }
  for (const name of ['data', 'paysig', 'params', '__proto__']) {
    const options = JSON.parse(`{"${name}":{}}`)
    for (const call of [
      client.request('/a', options), client.download('/a', options), client.requestSigned('/a', proof, options)
    ] as Promise<unknown>[]) {
      await t.rejects(call, { code: 'FST_WEAPP_INVALID_OPTION', message: `option ${name} is not a valid option` })
    }
  }
  for (const options of [[], 'text', 1] as unknown[]) {
    await t.rejects(client.request('/a', options as object), { message: 'option options must be an object' })
  }
  t.strictSame(paths(), [])
})

test('request: rejects an invalid path without a request to WeChat', async (t) => {
  const { client, paths } = await startWechatClient(t)
  const wrong = [
    '', '/', 'wxa/check', 'https://evil.example/x', '//evil.example/x', '/\\evil.example', '/@evil.example',
    '/wxa?a=b', '/wxa#x', '/wxa/', '/wxa//x', '/wxa x', '/wxa\n', '/wxa%2f', '/wxa/check?access_token=x', '/微信',
    undefined, null, {}
  ]
  for (const path of wrong) {
    await t.rejects(client.request(path as string), {
      code: 'FST_WEAPP_INVALID_OPTION', message: /option path /
    }, String(path))
  }
  t.strictSame(paths(), [])
})
