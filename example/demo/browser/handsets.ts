/** The visitor's two phones. Each runs the Mini Program with a fake wx and the published client SDK. */
import { createWeappClient, type WeappClient } from 'fastify-weapp/client'
import type { ScreenState } from './screen.js'
import type { EventStream } from './event-stream.js'
import { createPhone, type Phone } from './wx.js'

export interface Handset {
  device: string
  phone: Phone
  client: WeappClient
  /** The shop's name of the signed-in user. */
  name: string | null
  isBinding: boolean
  devices: ScreenState['devices']
  /** Returns the state that a page of the Mini Program shows. */
  state (): ScreenState
}

const STORAGE_KEY = 'session'

export function createHandset (
  visitor: string, device: string, events: EventStream, onSignedOut: (code: string) => void
): Handset {
  const phone = createPhone(visitor, device, events)
  const client = createWeappClient({ baseUrl: location.origin, wx: phone.wx, storageKey: STORAGE_KEY, onSignedOut })
  const handset: Handset = {
    device,
    phone,
    client,
    get name () { return phone.wx.getStorageSync('name') || null },
    set name (name) { phone.wx.setStorageSync('name', name) },
    isBinding: false,
    devices: null,
    state: () => ({
      device,
      isSignedIn: client.token !== null,
      isSignedOut: Boolean(phone.wx.getStorageSync(STORAGE_KEY)?.signOutCode),
      name: handset.name,
      isBinding: handset.isBinding,
      devices: handset.devices
    })
  }
  return handset
}

/** Signs in, stores the user's name and returns it. */
export async function signIn (handset: Handset, extra?: Record<string, unknown>): Promise<string> {
  const { user } = await handset.client.login(extra)
  handset.isBinding = false
  handset.name = user.name
  return user.name
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
