/**
 * A fake `wx`. It uses fetch as network, localStorage as storage, and the server's simulator as WeChat. The client SDK
 * needs no changes.
 */
import type { EventStream } from './event-stream.js'

interface Callbacks {
  success: (result: any) => void
  fail: (failure: { errMsg: string }) => void
}

interface RequestOptions extends Callbacks {
  url: string
  method?: string
  data?: unknown
  header?: Record<string, string>
}

export interface Phone {
  wx: {
    login (callbacks: Callbacks): void
    checkSession (callbacks: Callbacks): void
    request (options: RequestOptions): void
    getStorageSync (key: string): any
    setStorageSync (key: string, data: any): void
  }
  /** Simulates a tap on the phone number button. Resolves to encrypted data or to a code. */
  tapPhoneNumber (as: 'encryptedData'): Promise<{ encryptedData: string, iv: string }>
  tapPhoneNumber (as: 'phoneCode'): Promise<{ code: string }>
  /** Whether the next wx.login returns the previous code again. WeChat never does so. */
  repeatCode: boolean
}

export function createPhone (visitor: string, device: string, events: EventStream): Phone {
  let lastCode: string | null = null
  /** The current batch. A request starts a new batch if no other request is in flight. A login does so as well. */
  let batch = 0
  let inFlight = 0

  async function callWechat (api: string): Promise<any> {
    const response = await post(`/demo/wx/${api}`, { visitor, device })
    const { message, result } = await response.json()
    await events.shown(message)
    return result
  }

  async function login (): Promise<{ code: string }> {
    batch += 1
    const isRepeated = phone.repeatCode && lastCode !== null
    phone.repeatCode = false
    if (!isRepeated) lastCode = (await callWechat('login')).code
    return { code: lastCode! }
  }

  async function checkSession (): Promise<object> {
    const result = await callWechat('checkSession')
    if (result === null) throw new Error('session time out, need relogin')
    return result
  }

  async function request (options: RequestOptions) {
    if (inFlight === 0) batch += 1
    inFlight += 1
    try {
      return await send(options, String(batch))
    } finally {
      inFlight -= 1
    }
  }

  async function send ({ url, method = 'GET', data, header = {} }: RequestOptions, batch: string) {
    const response = await fetch(url, {
      method,
      // Otherwise the browser serializes requests to the same URL.
      cache: 'no-store',
      headers: {
        ...header,
        ...data !== undefined && { 'content-type': 'application/json' },
        'demo-visitor': visitor,
        'demo-device': device,
        'demo-batch': batch
      },
      ...data !== undefined && { body: JSON.stringify(data) }
    })
    const text = await response.text()
    await events.shown(Number(response.headers.get('demo-message')))
    let body: unknown = text
    try { body = JSON.parse(text) } catch {}
    return { statusCode: response.status, header: Object.fromEntries(response.headers), data: body }
  }

  const key = (name: string) => `phone-${device}-${name}`
  const phone: Phone = {
    repeatCode: false,
    tapPhoneNumber: callWechat,
    wx: {
      login: (callbacks) => dispatchCallbacks('login', login(), callbacks),
      checkSession: (callbacks) => dispatchCallbacks('checkSession', checkSession(), callbacks),
      request: (options) => dispatchCallbacks('request', request(options), options),
      getStorageSync: (name) => JSON.parse(localStorage.getItem(key(name)) ?? '""'),
      setStorageSync: (name, data) => localStorage.setItem(key(name), JSON.stringify(data))
    }
  }
  return phone
}

/** Sends a request of the page itself, which the diagram does not show. */
export async function post (path: string, body?: object, token?: string | null): Promise<Response> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { ...body && { 'content-type': 'application/json' }, ...token && { authorization: `Bearer ${token}` } },
    ...body && { body: JSON.stringify(body) }
  })
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`)
  return response
}

/** Calls `success` or `fail` with the outcome, as wx APIs do. */
function dispatchCallbacks (api: string, outcome: Promise<unknown>, { success, fail }: Callbacks): void {
  outcome.then(success, (error: Error) => fail({ errMsg: `${api}:fail ${error.message}` }))
}
