/**
 * A phone that is silent, slow, full, offline and changes its user, at random. `BAD_PHONE_SEEDS=500` plays more rounds.
 * The name of a failed test contains the seed that repeats it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Wx } from '../../src/client/index.js'
import { freezeClock, SECOND } from '../helpers/clock.js'
import { holdTimers } from '../helpers/held-timers.js'
import { APP_ID } from '../helpers/host.js'
import { CODES, PAST_IDLE, startPhone, type Launch, type Phone } from '../helpers/phone.js'

const SEEDS = Number(process.env['BAD_PHONE_SEEDS'] ?? 6)
const FIRST_SEED = Number(process.env['BAD_PHONE_FIRST'] ?? 1)
const STEPS = 30

/** Returns a repeatable source of random numbers below `max`. */
function randomNumbers (seed: number): (max: number) => number {
  let state = seed
  return (max) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max
  }
}

interface Served {
  id: number
  openid: string | null
}

class BadPhone {
  readonly #random: (max: number) => number
  readonly #phone: Phone
  readonly #served: Served[]
  readonly #allowed = new Map<number, Array<string | null>>()
  readonly #launches: Launch[] = []
  /** Storage faults only on a phone with one context: without storage, contexts cannot hear of each other. */
  readonly #hasBadStorage: boolean
  #user = 'alice'
  /** Whether the user signed out and has not signed in again. */
  #isSignedOut = false
  #isFull = false
  #pending: Array<Promise<unknown>> = []
  #logins = 0
  #explicitLogins = 0
  /** Whether the guard refuses every token. */
  isRefusing = false
  readonly problems: string[] = []

  constructor (phone: Phone, served: Served[], seed: number) {
    this.#random = randomNumbers(seed)
    this.#phone = phone
    this.#served = served
    this.#hasBadStorage = seed % 2 === 0
    this.#launch()
    if (!this.#hasBadStorage) this.#launch()
  }

  #openid (): string {
    return this.#phone.host.wechat.openid(this.#user)
  }

  #one<Item> (items: readonly Item[]): Item {
    return items[this.#random(items.length)]!
  }

  #launch (): void {
    const style = this.#random(3)
    const platform = (wx: Wx): Wx => {
      const call = (api: 'login' | 'checkSession' | 'request') => (options: any) => {
        const silence = this.#random(60)
        if (api === 'login') this.#logins += 1
        // A host limits the time of its own requests.
        if (silence === 0 && !(api === 'request' && options.url.includes('/who'))) return
        if (silence === 1) throw new TypeError('a slip of the platform')
        const { success } = options
        const delay = this.#random(30)
        if (api === 'request' && silence < 30) options.success = (answer: any) => setTimeout(success, delay, answer)
        if (style === 0) return wx[api](options)
        return new Promise((resolve, reject) => wx[api]({
          ...options,
          success: (result: any) => { if (style === 1) options.success(result); resolve(result) },
          fail: (failure: any) => { if (style === 1) options.fail(failure); reject(failure) }
        }))
      }
      return {
        login: call('login'),
        checkSession: call('checkSession'),
        request: call('request'),
        getStorageSync: (key) => wx.getStorageSync(key),
        setStorageSync: (key, data) => {
          if (this.#isFull) throw new Error('setStorageSync:fail exceed storage max size')
          wx.setStorageSync(key, data)
        }
      }
    }
    const launch = this.#phone.launch({ platform })
    const { login } = launch.mini.wx
    // The user of WeChat may change, and every context has the same.
    launch.mini.wx.login = (options = {}) => {
      const code = this.#phone.host.wechat.login(this.#user)
      return login({ ...options, success: (result) => options.success!({ ...result, code }) })
    }
    this.#launches.push(launch)
  }

  /** Records a promise of the client, which must settle. */
  #track (promise: Promise<unknown>): void {
    this.#pending.push(promise.catch((error) => {
      if (typeof error.code !== 'string') this.problems.push(`no code: ${error.stack}`)
    }))
  }

  #request (): void {
    const id = this.#allowed.size
    this.#allowed.set(id, this.#isSignedOut ? [null] : [null, this.#openid()])
    const auth = this.#one(['required', 'optional'] as const)
    const url = `/who/${this.#one(['required', 'optional'])}/${id}`
    this.#track(this.#one(this.#launches).client.request({ url, method: 'POST', auth }))
  }

  #fault (): void {
    const api = this.#one(['login', 'checkSession', 'request', 'request', 'request'] as const)
    const fault = this.#one([
      { fail: 'timeout' }, { delay: 1 + this.#random(40) }, { answerDelay: 1 + this.#random(40) },
      { delay: this.#random(10), fail: 'interrupted' }
    ])
    this.#one(this.#launches).mini.fault(fault, { api, times: 1 + this.#random(2) })
  }

  async #signOut (): Promise<void> {
    const logout = this.#one(this.#launches).client.logout({ all: this.#random(4) === 0 })
    this.#track(logout)
    this.#isSignedOut = await logout.then(() => true, () => false)
  }

  /** Signs in, as another user if this one signed out. */
  async #signIn (): Promise<void> {
    if (this.#isSignedOut) this.#user = this.#one(['alice', 'bob'])
    this.#isSignedOut = false
    this.#explicitLogins += 1
    const login = this.#one(this.#launches).client.login()
    this.#track(login)
    if (this.#random(2) === 0) await login.catch(() => {})
  }

  #relaunch (): void {
    this.#launches.splice(this.#random(this.#launches.length), 1)
    this.#launch()
    // A storage that was full or cleared forgets a sign-out.
    if (this.#hasBadStorage) this.#isSignedOut = false
  }

  /** Lost answers leave one session, or two if both contexts signed in at once. A cleared storage loses the device id. */
  async #countSessions (): Promise<void> {
    if (this.#hasBadStorage) return
    const { app, wechat } = this.#phone.host
    for (const user of ['alice', 'bob']) {
      const { length } = await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid(user) })
      if (length > 2) this.problems.push(`${user} has ${length} sessions`)
    }
  }

  async step (settle: (promises: Array<Promise<unknown>>) => Promise<boolean>, advance: (ms: number) => void) {
    advance(this.#one([0, SECOND, 40 * SECOND, PAST_IDLE, PAST_IDLE]))
    this.#logins = 0
    this.#explicitLogins = 0
    this.isRefusing = this.#random(8) === 0
    for (const { mini } of this.#launches) mini.offline = this.#random(12) === 0
    if (this.#hasBadStorage) {
      this.#isFull = this.#random(3) === 0
      if (this.#random(8) === 0) this.#launches[0]!.mini.storage.clear()
    }
    if (this.#random(2) === 0) this.#fault()
    for (let i = this.#random(6); i > 0; i -= 1) this.#request()
    const deed = this.#random(12)
    await sleep(this.#random(12))
    const done = (async () => {
      if (deed < 5) await this.#signOut()
      if (deed < 7 && deed > 0) await this.#signIn()
      if (deed === 7) await this.#phone.kick()
      if (deed === 8) this.#track(this.#one(this.#launches).client.ensureSessionKey())
      if (deed === 9) this.#track(this.#one(this.#launches).client.session())
    })()
    await sleep(this.#random(12))
    for (let i = this.#random(6); i > 0; i -= 1) this.#request()
    if (!await settle([done])) this.problems.push('a deed hangs')
    // Otherwise the next step begins with requests in flight.
    if (deed > 8) {
      if (!await settle(this.#pending)) this.problems.push('a promise does not settle')
      this.#pending = []
      await this.#countSessions()
    }
    if (deed === 10) this.#relaunch()
    // Two calls of wx.login for each login, because a spent code is retried.
    const limit = 2 * this.#explicitLogins + 4 * this.#launches.length
    if (this.#logins > limit) this.problems.push(`${this.#logins} logins in one step`)
    for (const { id, openid } of this.#served.splice(0)) {
      if (!this.#allowed.get(id)!.includes(openid)) this.problems.push(`request ${id} was served as ${openid}`)
    }
  }
}

async function play (t: Test, seed: number): Promise<string[]> {
  const clock = freezeClock(t)
  const served: Served[] = []
  const phone = await startPhone(t, {
    before: (app) => app.addHook('onRequest', async ({ url, headers: { authorization } }, reply) => {
      const isRefused = bad.isRefusing && url.startsWith('/who') && authorization !== undefined
      if (isRefused) await reply.code(401).header('Weapp-Error', CODES.expired).send({})
    }),
    after: (app) => {
      for (const weapp of [true, 'optional'] as const) {
        app.post(`/who/${weapp === true ? 'required' : weapp}/:id`, { config: { weapp } }, async (request) => {
          const { openid = null } = request.weapp ?? {}
          served.push({ id: Number((request.params as { id: string }).id), openid })
          return {}
        })
      }
    }
  })
  const timers = holdTimers(t)

  /** Waits for promises. Timers of the client expire if they do not settle otherwise. Returns whether all settled. */
  async function settle (promises: Array<Promise<unknown>>): Promise<boolean> {
    const all = Promise.allSettled(promises).then(() => true)
    for (let i = 0; i < 100; i += 1) {
      if (await Promise.race([all, sleep(40, false)])) return true
      timers.expire()
    }
    return false
  }

  const bad = new BadPhone(phone, served, seed)
  for (let step = 0; step < STEPS && bad.problems.length === 0; step += 1) {
    await bad.step(settle, (ms) => clock.advance(ms))
  }
  return bad.problems
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
  test(`a bad phone: settles, never acts as another user, has no login storm: seed ${seed}`, async (t) => {
    t.strictSame(await play(t, seed), [])
  })
}
