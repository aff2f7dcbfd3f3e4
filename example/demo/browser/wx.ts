/**
 * A fake `wx`: its network is fetch, its storage localStorage, and its WeChat the simulator behind the server. The client
 * SDK cannot tell the difference.
 */
import type { Tape } from './tape.js'

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
  /** A tap on the phone number button, as WeChat hands it over: encrypted, or as a code. */
  tapPhoneNumber (as: 'encryptedData'): Promise<{ encryptedData: string, iv: string }>
  tapPhoneNumber (as: 'phoneCode'): Promise<{ code: string }>
  /** The next wx.login gives the code of the last one again, which WeChat never does. */
  repeatCode: boolean
}

export function createPhone (visitor: string, device: string, tape: Tape): Phone {
  let lastCode: string | null = null
  /** What is sent while nothing else is under way begins a new volley, and so does what follows a sign-in. */
  let volley = 0
  let underWay = 0

  async function ask (api: string): Promise<any> {
    const response = await post(`/demo/wx/${api}`, { visitor, device })
    const { message, result } = await response.json()
    await tape.shown(message)
    return result
  }

  async function login (): Promise<{ code: string }> {
    volley += 1
    const isRepeated = phone.repeatCode && lastCode !== null
    phone.repeatCode = false
    if (!isRepeated) lastCode = (await ask('login')).code
    return { code: lastCode! }
  }

  async function checkSession (): Promise<object> {
    const result = await ask('checkSession')
    if (result === null) throw new Error('session time out, need relogin')
    return result
  }

  async function request (options: RequestOptions) {
    if (underWay === 0) volley += 1
    underWay += 1
    try {
      return await send(options, String(volley))
    } finally {
      underWay -= 1
    }
  }

  async function send ({ url, method = 'GET', data, header = {} }: RequestOptions, volley: string) {
    const response = await fetch(url, {
      method,
      // Else the browser would ask for the same address one after the other.
      cache: 'no-store',
      headers: {
        ...header,
        ...data !== undefined && { 'content-type': 'application/json' },
        'demo-visitor': visitor,
        'demo-device': device,
        'demo-volley': volley
      },
      ...data !== undefined && { body: JSON.stringify(data) }
    })
    const text = await response.text()
    await tape.shown(Number(response.headers.get('demo-message')))
    let body: unknown = text
    try { body = JSON.parse(text) } catch {}
    return { statusCode: response.status, header: Object.fromEntries(response.headers), data: body }
  }

  const key = (name: string) => `phone-${device}-${name}`
  const phone: Phone = {
    repeatCode: false,
    tapPhoneNumber: ask,
    wx: {
      login: (callbacks) => settle('login', login(), callbacks),
      checkSession: (callbacks) => settle('checkSession', checkSession(), callbacks),
      request: (options) => settle('request', request(options), options),
      getStorageSync: (name) => JSON.parse(localStorage.getItem(key(name)) ?? '""'),
      setStorageSync: (name, data) => localStorage.setItem(key(name), JSON.stringify(data))
    }
  }
  return phone
}

/** What the page asks of the server behind the scenes: it is no message of the phone. */
export async function post (path: string, body?: object, token?: string | null): Promise<Response> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { ...body && { 'content-type': 'application/json' }, ...token && { authorization: `Bearer ${token}` } },
    ...body && { body: JSON.stringify(body) }
  })
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`)
  return response
}

function settle (api: string, outcome: Promise<unknown>, { success, fail }: Callbacks): void {
  outcome.then(success, (error: Error) => fail({ errMsg: `${api}:fail ${error.message}` }))
}
