/** The visitor's two phones, each with the Mini Program on it: a fake wx, and the client SDK as it is published. */
import { createWeappClient, type WeappClient } from 'fastify-weapp/client'
import type { ScreenState } from './screen.js'
import type { Tape } from './tape.js'
import { createPhone, type Phone } from './wx.js'

export interface Handset {
  device: string
  phone: Phone
  client: WeappClient
  /** Who is signed in, as the shop calls them. */
  name: string | null
  isBinding: boolean
  devices: ScreenState['devices']
  /** What a page of the Mini Program knows of it. */
  state (): ScreenState
}

const STORAGE_KEY = 'session'

export function createHandset (visitor: string, device: string, tape: Tape, onSignedOut: (code: string) => void): Handset {
  const phone = createPhone(visitor, device, tape)
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
      isSignedOut: Boolean(phone.wx.getStorageSync(STORAGE_KEY)?.signedOut),
      name: handset.name,
      isBinding: handset.isBinding,
      devices: handset.devices
    })
  }
  return handset
}

/** Signs in, and remembers who that is. */
export async function signIn (handset: Handset, extra?: Record<string, unknown>): Promise<string> {
  const { user } = await handset.client.login(extra)
  handset.isBinding = false
  handset.name = user.name
  return user.name
}

/** The phone number as a Mini Program gets it: a tap, and what WeChat hands over goes to the server. */
export async function phoneNumber ({ phone, client }: Handset, as: 'encryptedData' | 'phoneCode'): Promise<string> {
  const data = as === 'encryptedData'
    ? await phone.tapPhoneNumber(as)
    : { phoneCode: (await phone.tapPhoneNumber(as)).code }
  const answer = await client.request({ url: '/demo/phone-number', method: 'POST', data })
  return demandOk(answer).purePhoneNumber
}

/** The SDK resolves with whatever the host answers; here a refusal is an error like any other. */
export function demandOk ({ statusCode, header, data }: { statusCode: number, header: Record<string, any>, data: any }): any {
  if (statusCode < 400) return data
  throw Object.assign(new Error(data?.message), { code: data?.code, statusCode, retryAfter: Number(header['retry-after']) })
}
