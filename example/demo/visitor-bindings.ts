import type { WechatSimulator } from 'fastify-weapp/testing'
import type { Bindings } from '../shop/accounts.js'

/** The bindings of the page's visitors. A new visitor is alice, so that the first sign-in succeeds. */
export class VisitorBindings {
  readonly #wechat: WechatSimulator
  readonly #bindings: Bindings
  readonly #known = new Set<string>()

  constructor (wechat: WechatSimulator, bindings: Bindings) {
    this.#wechat = wechat
    this.#bindings = bindings
  }

  /** Binds a user of the simulator to alice, if this visitor is new. */
  async bindOnce (user: string): Promise<void> {
    if (!this.#known.has(user)) await this.#bind(user, 'alice')
  }

  /** Removes the binding: no account has an empty name. */
  async unbind (user: string): Promise<void> {
    await this.#bind(user, '')
  }

  async #bind (user: string, username: string): Promise<void> {
    this.#known.add(user)
    await this.#bindings.set(this.#wechat.openid(user), username)
  }
}
