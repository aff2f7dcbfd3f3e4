/** The visitor's two phones. Each runs the Mini Program with a fake wx and the published client SDK. */
import { createWeappClient, type WeappClient } from 'fastify-weapp/client'
import type { EventStream } from './event-stream.js'
import type { ScreenState } from './screen.js'
import { createPhone, type Phone } from './wx.js'

export interface Handset {
  device: string
  phone: Phone
  client: WeappClient
  /** The shop's name of the signed-in user. */
  name: string | null
  /** Whether the user or the shop signed this phone out. */
  isSignedOut: boolean
  isBinding: boolean
  devices: ScreenState['devices']
}

export function createHandset (visitor: string, device: string, events: EventStream): Handset {
  const phone = createPhone(visitor, device, events)
  const { wx } = phone
  const onSignedOut = () => { handset.isSignedOut = true }
  const client = createWeappClient({ baseUrl: location.origin, wx, onSignedOut })
  const handset: Handset = {
    device,
    phone,
    client,
    get name () { return wx.getStorageSync('name') || null },
    set name (name) { wx.setStorageSync('name', name) },
    get isSignedOut () { return wx.getStorageSync('isSignedOut') === true },
    set isSignedOut (isSignedOut) { wx.setStorageSync('isSignedOut', isSignedOut) },
    isBinding: false,
    devices: null
  }
  return handset
}

/** Signs in, stores the user's name and returns it. */
export async function signIn (handset: Handset, extra?: Record<string, unknown>): Promise<string> {
  const { user } = await handset.client.login(extra)
  Object.assign(handset, { name: user.name, isBinding: false, isSignedOut: false })
  return user.name
}

/** Returns the signed-in user. */
export async function me ({ client }: Handset): Promise<{ name: string, signedInAt: number }> {
  return assertOk(await client.request({ url: '/me' }))
}

/** Returns the user's phone number. A tap provides WeChat's data, and the server decrypts or redeems it. */
export async function phoneNumber ({ phone, client }: Handset, as: 'encryptedData' | 'phoneCode'): Promise<string> {
  const data = as === 'encryptedData'
    ? await phone.tapPhoneNumber(as)
    : { phoneCode: (await phone.tapPhoneNumber(as)).code }
  const response = await client.request({ url: '/phone-number', method: 'POST', data })
  return assertOk(response).purePhoneNumber
}

/** Returns the data of a response. Throws if the status is an error, because the SDK resolves to error responses. */
export function assertOk (
  { statusCode, header, data }: { statusCode: number, header: Record<string, any>, data: any }
): any {
  if (statusCode < 400) return data
  const retryAfter = Number(header['retry-after'])
  throw Object.assign(new Error(data?.message), { code: data?.code, statusCode, retryAfter })
}
