/** What the buttons of the Mini Program do. Each action resolves to the result on the phone. */
import type { WeappClientError } from 'fastify-weapp/client'
import { phoneNumber, signIn, type Handset } from './handsets.js'
import type { ScreenState } from './screen.js'
import { meResult } from './stories.js'
import { text, type Text } from './texts.js'

export type Action = (handset: Handset) => Promise<Text>

export const ACTIONS = {
  signIn: async (handset) => text('result.welcome', await signIn(handset)),
  bindByPhone: async (handset) => {
    const { code } = await handset.phone.tapPhoneNumber('phoneCode')
    return text('result.welcome', await signIn(handset, { phoneCode: code }))
  },
  whoAmI: meResult,
  phoneByCode: async (handset) => text('result.phone', await phoneNumber(handset, 'phoneCode')),
  phoneByData: async (handset) => text('result.phone', await phoneNumber(handset, 'encryptedData')),
  async myDevices (handset) {
    handset.devices = (await handset.client.session()).sessions
    return text('result.devices', handset.devices.length)
  },
  signOut: (handset) => signOut(handset, false),
  signOutAll: (handset) => signOut(handset, true)
} satisfies Record<string, Action>

export function bind (username: string, password: string): Action {
  return async (handset) => text('result.welcome', await signIn(handset, { account: { username, password } }))
}

async function signOut (handset: Handset, all: boolean): Promise<Text> {
  if (handset.client.token !== null) {
    await handset.client.logout({ all })
    handset.isSignedOut = true
    return text(all ? 'result.outAll' : 'result.out')
  }
  return text('result.signInRequired')
}

/** Returns what the phone shows after an error. */
export function resultOf ({ code, statusCode, message }: WeappClientError): Pick<ScreenState, 'result' | 'isBad'> {
  if (code === 'SHOP_ACCOUNT_NOT_BOUND') return { result: text('result.bind'), isBad: true }
  if (code === 'SHOP_WRONG_PASSWORD') return { result: text('result.wrongPassword'), isBad: true }
  if (/^FST_WEAPP_SESSION_(REVOKED|KICKED|REPLACED)$/.test(code)) {
    // An error without a status comes from the SDK, which sent no request.
    const textKey = statusCode === undefined ? 'result.signInRequired' : 'result.signedOutBecause'
    return { result: text(textKey), isBad: true }
  }
  return { result: text('result.error', code ?? message), isBad: true }
}
