/** Serves a guarded route and logins over one database, by hand and by the plugin. All sides return the same JSON. */
import { randomBytes } from 'node:crypto'
import { Agent, request as fetchWechat } from 'undici'
import { DATABASES } from '../lib/databases.js'
import { APP, registerWeapp, signIn } from '../lib/weapp.js'

const CONNECTIONS = 32
const DAY_MS = 86_400_000
const LOGIN_BODY = '{"code":"[<id>]"}'
/** Its JSON has 1 KiB. */
const KIB = { text: 'x'.repeat(1013) }

export default async function databases ({ add }, { name, databaseUrl, wechatUrl, users }) {
  const { store, select, insert } = await DATABASES[name].open(databaseUrl)
  const newId = () => randomBytes(32).toString('base64url')
  const openid = randomBytes(21).toString('base64url')
  const forUsers = async (makeHeaders) => {
    const headers = []
    while (headers.length < users) headers.push(await makeHeaders())
    return headers
  }

  const guardByHand = (data) => async (scope) => {
    scope.decorateRequest('user', null)
    scope.addHook('preHandler', async (request, reply) => {
      const row = await select(request.headers.authorization?.slice(7), Date.now())
      if (row === undefined) return reply.code(401).send()
      request.user = { openid: row.openid, data: JSON.parse(row.data) }
    })
    scope.get('/me', async (request) => ({ openid: request.user.openid }))
    const headers = await forUsers(async () => {
      const id = newId()
      await insert(id, openid, JSON.stringify(data), Date.now() + 7 * DAY_MS)
      return { authorization: `Bearer ${id}` }
    })
    return (url) => ({ url: `${url}/me`, headers, connections: CONNECTIONS })
  }

  /** @param sessions number of sessions of each user */
  const guard = (data, sessions) => async (scope) => {
    await registerWeapp(scope, { store, storeTimeout: '40s', onLogin: () => ({ data }) }, wechatUrl)
    scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp.openid }))
    const headers = await forUsers(async () => {
      const header = await signIn(scope)
      const [, payload] = header.authorization.split('.')
      const { sub: userId } = JSON.parse(Buffer.from(payload, 'base64url'))
      const [{ id }] = await store.list({ userId, now: Date.now() })
      const { openid, session } = await store.read({ userId, sessionId: id, now: Date.now() })
      for (let i = 1; i < sessions; i++) {
        await store.create({
          userId,
          now: Date.now(),
          startedAgo: 0,
          openid,
          unionid: null,
          session: { ...session, id: randomBytes(16).toString('base64url') },
          key: null,
          limit: 10,
          replaces: null,
          device: null
        })
      }
      return header
    })
    return (url) => ({ url: `${url}/me`, headers, connections: CONNECTIONS })
  }

  const loginByHand = async (scope) => {
    const dispatcher = new Agent()
    scope.post('/login', async (request, reply) => {
      const query = new URLSearchParams({
        appid: APP.appId, secret: APP.appSecret, js_code: request.body.code, grant_type: 'authorization_code'
      })
      const { body } = await fetchWechat(`${wechatUrl}/sns/jscode2session?${query}`, { dispatcher })
      const { errcode, openid } = await body.json()
      if (errcode) return reply.code(401).send({ errcode })
      const token = newId()
      await insert(token, openid, '{"userId":42}', Date.now() + 7 * DAY_MS)
      return { token }
    })
    return (url) => ({ url: `${url}/login`, body: LOGIN_BODY, connections: CONNECTIONS })
  }

  const login = async (scope) => {
    await registerWeapp(scope, { store, storeTimeout: '40s', prefix: '/' }, wechatUrl)
    return (url) => ({ url: `${url}/login`, body: LOGIN_BODY, connections: CONNECTIONS })
  }

  await add('guard by hand', guardByHand({ userId: 42 }))
  await add('guard', guard({ userId: 42 }, 1))
  await add('guard by hand, 1 KiB', guardByHand(KIB))
  await add('guard, ten sessions of 1 KiB', guard(KIB, 10))
  await add('login by hand', loginByHand)
  await add('login', login)
}
