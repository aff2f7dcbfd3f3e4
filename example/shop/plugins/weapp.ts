/**
 * The login with WeChat. The first login of a user sends the username and password of an account. Later logins need
 * only WeChat's openid.
 */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import weapp, { type LoginBody } from 'fastify-weapp'
import { accountOf, type Credentials, type Proof } from '../accounts/accounts.js'
import { LoginFields } from '../schemas/login.js'
import { BEARER } from '../schemas/shop.js'
import type { Settings } from '../settings.js'

declare module 'fastify-weapp' {
  interface SessionData {
    username: string
    name: string
  }
  interface LoginBody {
    account?: Credentials
    phoneCode?: string
  }
}

type Options = Pick<Settings, 'appId' | 'appSecret' | 'secret' | 'sessionCache' | 'wechatUrl'>

export default fp(async (app: FastifyInstance, options: Options) => {
  const { appId, appSecret, secret, sessionCache, wechatUrl } = options
  await app.register(weapp, {
    appId,
    appSecret,
    secret,
    store: app.sessionStore,
    // Useful if Redis is the bottleneck of many guarded requests. A sign-out then reaches other servers within
    // milliseconds instead of at once.
    cache: sessionCache && {},
    ...wechatUrl !== undefined && { wechat: { baseUrl: wechatUrl } },
    routes: {
      login: { body: LoginFields, config: { rateLimit: { max: 20, timeWindow: '1 minute' } } },
      logout: { schema: { security: BEARER } },
      session: { schema: { security: BEARER } }
    },
    onLogin: async ({ openid, body }) => {
      const { username, name } = await accountOf(openid, await proofIn(openid, body), app.bindings)
      return { data: { username, name }, reply: { user: { username, name } } }
    }
  })

  /** Returns the proof of a login. A phone code replaces a password: WeChat confirms the number and the user's tap. */
  async function proofIn (openid: string, { account, phoneCode }: LoginBody): Promise<Proof | null> {
    if (phoneCode === undefined) return account === undefined ? null : { credentials: account }
    const { countryCode, purePhoneNumber } = await app.weapp.wechat.getPhoneNumber(phoneCode, { openid })
    // Includes the country code, because the same digits belong to another user in another country.
    return { phoneNumber: `+${countryCode} ${purePhoneNumber}` }
  }
}, { name: 'shop-weapp', dependencies: ['shop-store'] })
