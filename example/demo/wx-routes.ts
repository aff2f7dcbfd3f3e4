/** What a phone asks its own WeChat for: the fake wx of the page asks here, and the simulator answers. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { WechatSimulator } from 'fastify-weapp/testing'
import { fieldsOf } from './fields.js'
import { HIDDEN } from './hidden.js'
import type { Tape } from './tape.js'
import { userOf, Whose } from './visitor.js'

/** The number of the shop's account alice. */
const PHONE_NUMBER = '13800138000'

const Asked = Type.Object({ api: Type.Union(['login', 'checkSession', 'phoneCode', 'encryptedData'].map((api) => Type.Literal(api))) })

export function addWxRoutes (app: FastifyInstance, wechat: WechatSimulator, tape: Tape): void {
  const apis: Record<string, { title: string, perform (user: string): object | null }> = {
    login: { title: 'wx.login', perform: (user) => ({ code: wechat.login(user) }) },
    // Null: the session_key is dead.
    checkSession: { title: 'wx.checkSession', perform: (user) => wechat.checkSession(user) ? {} : null },
    phoneCode: { title: 'getPhoneNumber', perform: (user) => ({ code: wechat.phoneCode(user, { phoneNumber: PHONE_NUMBER }) }) },
    encryptedData: {
      title: 'getPhoneNumber',
      perform: (user) => wechat.encrypt(user, { phoneNumber: PHONE_NUMBER, purePhoneNumber: PHONE_NUMBER, countryCode: '86' })
    }
  }

  app.post<{ Body: Static<typeof Whose>, Params: Static<typeof Asked> }>('/demo/wx/:api', {
    schema: { ...HIDDEN, body: Whose, params: Asked }
  }, async ({ body, params }) => {
    const { title, perform } = apis[params.api]!
    const { id, answer } = tape.ask(body, { from: 'phone', to: 'wechat', title, fields: [] })
    const result = perform(userOf(body))
    answer({ status: null, code: result === null ? 'fail' : null, fields: fieldsOf(result) })
    return { message: id, result }
  })
}
