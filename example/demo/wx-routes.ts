/** Routes for the page's fake wx. The simulator provides the results of the phone's WeChat APIs. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { WechatSimulator } from 'fastify-weapp/testing'
import { fieldsOf, withoutSecrets } from './fields.js'
import { HIDDEN_SCHEMA } from './hidden-schema.js'
import type { Recorder } from './recorder.js'
import { userOf, VisitorDevice } from './visitor.js'
import type { VisitorBindings } from './visitor-bindings.js'

/** The phone number of the shop's account alice. */
const PHONE_NUMBER = '13800138000'

const TAP = '<button open-type="getPhoneNumber">'

const ApiParams = Type.Object({
  api: Type.Union(['login', 'checkSession', 'phoneCode', 'encryptedData'].map((api) => Type.Literal(api)))
})

export function addWxRoutes (
  app: FastifyInstance, wechat: WechatSimulator, recorder: Recorder, bindings: VisitorBindings
): void {
  const apis: Record<string, { title: string, line: string, perform (user: string): object | null }> = {
    login: { title: 'wx.login', line: 'wx.login()', perform: (user) => ({ code: wechat.login(user) }) },
    // Null means that the session_key has expired.
    checkSession: {
      title: 'wx.checkSession',
      line: 'wx.checkSession()',
      perform: (user) => wechat.checkSession(user) ? {} : null
    },
    phoneCode: {
      title: 'getPhoneNumber',
      line: TAP,
      perform: (user) => ({ code: wechat.phoneCode(user, { phoneNumber: PHONE_NUMBER }) })
    },
    encryptedData: {
      title: 'getPhoneNumber',
      line: TAP,
      perform: (user) => wechat.encrypt(user, {
        phoneNumber: PHONE_NUMBER, purePhoneNumber: PHONE_NUMBER, countryCode: '86'
      })
    }
  }

  app.post<{ Body: Static<typeof VisitorDevice>, Params: Static<typeof ApiParams> }>('/demo/wx/:api', {
    schema: { ...HIDDEN_SCHEMA, body: VisitorDevice, params: ApiParams }
  }, async ({ body, params }) => {
    const { title, line, perform } = apis[params.api]!
    if (params.api === 'login') await bindings.bindOnce(userOf(body))
    const { id, recordResponse } = recorder.recordRequest(body, {
      from: 'phone', to: 'wechat', title, fields: [], detail: { line, headers: {}, body: undefined }
    })
    const result = perform(userOf(body))
    recordResponse({
      status: null,
      code: result === null ? 'fail' : null,
      fields: fieldsOf(result),
      detail: { line: result === null ? 'fail' : 'success', headers: {}, body: withoutSecrets(result) }
    })
    return { message: id, result }
  })
}
