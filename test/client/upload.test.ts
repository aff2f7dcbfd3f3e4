import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import type { HostOptions } from '../helpers/host.js'
import { CODES, PAST_IDLE, startPhone } from '../helpers/phone.js'

/** Starts a host that accepts pictures, and a phone with a picture. */
async function startAvatarHost (
  t: Test, before: (app: FastifyInstance) => unknown = () => {}, options: HostOptions['options'] = {}
) {
  const phone = await startPhone(t, {
    options,
    before,
    after (app) {
      app.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      app.post('/avatar', { config: { weapp: true } }, async (request) => {
        const form = await new Response(
          request.body as Buffer, { headers: { 'content-type': request.headers['content-type']! } }
        ).formData()
        const file = form.get('avatar') as File
        return { openid: request.weapp!.openid, title: form.get('title'), name: file.name, text: await file.text() }
      })
      app.post('/public/:status', async (request, reply) => {
        const { status } = request.params as { status: string }
        return await reply.code(Number(status)).type('text/plain').send(
          `token: ${request.headers.authorization ?? 'none'}`
        )
      })
    }
  })
  const filePath = join(t.testdir(), 'me.png')
  await writeFile(filePath, 'a picture')
  return { ...phone, avatar: { url: '/avatar', filePath, name: 'avatar', formData: { title: '头像' } } }
}

test('upload: signs in, and sends the file and the other fields', async (t) => {
  const { client, host, sent, avatar } = await startAvatarHost(t)
  t.strictSame((await client.upload(avatar)).data, {
    openid: host.wechat.openid('alice'), title: '头像', name: 'me.png', text: 'a picture'
  })
  t.strictSame(sent(), ['POST /weapp/login 200', 'POST /avatar 200'])
})

test('upload: signs in once if the session has expired, and sends the file again', async (t) => {
  const clock = freezeClock(t)
  const { client, sent, avatar } = await startAvatarHost(t)
  await client.login()
  clock.advance(PAST_IDLE)
  sent()
  const tasks: unknown[] = []
  const answer = await client.upload({ ...avatar, onTask: (task) => { tasks.push(task) } })
  t.match(answer, { statusCode: 200, data: { text: 'a picture' }, header: {} })
  t.strictSame(sent(), ['POST /avatar 401', 'POST /weapp/login 200', 'POST /avatar 200'])
  t.equal(new Set(tasks).size, 2, 'each attempt has a task of its own')
})

test('upload: rejects after a kick', async (t) => {
  const { client, kick, signedOut, avatar } = await startAvatarHost(t)
  await client.login()
  await kick()
  await t.rejects(client.upload(avatar), { code: CODES.kicked, statusCode: 401 })
  t.strictSame(signedOut, [CODES.kicked])
})

test('upload: an ambiguous 401 is resolved by the session route', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, kick, sent, signedOut, avatar } = await startAvatarHost(t, (app) => {
    app.setErrorHandler((_error, _request, reply) => reply.code(401).send({ success: false }))
  })
  await client.login()
  clock.advance(PAST_IDLE)
  t.equal((await client.upload(avatar)).statusCode, 200)
  t.equal(mini.calls.login, 2)
  sent()
  for (const status of [401, 403]) {
    t.match(
      await client.upload({ ...avatar, url: `/public/${status}` }),
      { statusCode: status, data: `token: Bearer ${client.token}` }
    )
  }
  t.strictSame(sent(), ['POST /public/401 401', 'GET /weapp/session 200', 'POST /public/403 403'])
  await kick()
  await t.rejects(client.upload(avatar), { code: CODES.kicked, statusCode: 401 })
  t.strictSame(signedOut, [CODES.kicked])
  t.equal(mini.calls.login, 2)
})

test('upload: an ambiguous 401 costs one login without a session route', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, avatar } = await startAvatarHost(t, (app) => {
    app.setErrorHandler((_error, _request, reply) => reply.code(401).send({ success: false }))
  }, { routes: { session: false } })
  await client.login()
  clock.advance(PAST_IDLE)
  t.equal((await client.upload(avatar)).statusCode, 200)
  t.equal(mini.calls.login, 2)
  t.equal((await client.upload({ ...avatar, url: '/public/401' })).statusCode, 401)
  t.equal(mini.calls.login, 3)
})

test('upload: a success is never repeated, whatever code the JSON contains', async (t) => {
  const clock = freezeClock(t)
  let code: string = CODES.kicked
  const files: unknown[] = []
  const { client, mini, kick, sent, signedOut, avatar } = await startAvatarHost(t, (app) => {
    app.post('/coupon', async (request) => {
      files.push(request.body)
      return { code }
    })
  })
  await client.login()
  for (code of [CODES.kicked, CODES.expired, CODES.stale]) {
    sent()
    t.match(await client.upload({ ...avatar, url: '/coupon' }), { statusCode: 200, data: { code } })
    t.strictSame(sent(), ['POST /coupon 200', 'GET /weapp/session 200'])
  }
  mini.fault({ fail: 'timeout' }, { path: '/weapp/session', times: 1 })
  t.match(await client.upload({ ...avatar, url: '/coupon' }), { statusCode: 200 }, 'also if the question fails')
  t.strictSame(signedOut, [])

  code = CODES.expired
  clock.advance(PAST_IDLE)
  t.match(await client.upload({ ...avatar, url: '/coupon' }), { statusCode: 200 })
  t.equal(mini.calls.login, 1)
  t.match(await client.upload(avatar), { statusCode: 200 })
  t.equal(mini.calls.login, 2, 'the next request renews the session')
  code = CODES.kicked
  await kick()
  t.match(await client.upload({ ...avatar, url: '/coupon' }), { statusCode: 200 })
  t.strictSame(signedOut, [CODES.kicked])
  t.equal(files.length, 6)
})

test('upload: auth optional and auth false do not sign in', async (t) => {
  const { client, mini, avatar } = await startAvatarHost(t)
  for (const auth of ['optional', false] as const) {
    t.match(await client.upload({ ...avatar, url: '/public/200', auth }), { statusCode: 200, data: 'token: none' })
  }
  t.equal(mini.calls.login, 0)
})

test('upload: rejects URLs outside baseUrl and missing files', async (t) => {
  const { client, avatar } = await startAvatarHost(t)
  await client.login()
  await t.rejects(client.upload({ ...avatar, url: 'https://elsewhere.example/avatar' }), { code: 'WEAPP_BAD_URL' })
  await t.rejects(
    client.upload({ ...avatar, filePath: '/nowhere.png' }),
    { code: 'WEAPP_NETWORK_FAILED', errMsg: 'uploadFile:fail file not found' }
  )
})

test('upload: rejects without wx.uploadFile, and requests still work', async (t) => {
  const { launch, avatar } = await startAvatarHost(t)
  const { client } = launch({ platform: ({ uploadFile: _unknown, ...wx }) => wx })
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  await t.rejects(client.upload(avatar), { code: 'WEAPP_NO_WX', message: /uploadFile/ })
})
