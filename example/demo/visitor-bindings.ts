import type { FastifyInstance } from 'fastify'
import type { WechatSimulator } from 'fastify-weapp/testing'

/** The bindings of the page's visitors. A new visitor is alice, so that the first sign-in succeeds. */
export class VisitorBindings {
  readonly #app: FastifyInstance
  readonly #wechat: WechatSimulator
  readonly #known = new Set<string>()

  constructor (app: FastifyInstance, wechat: WechatSimulator) {
    this.#app = app
    this.#wechat = wechat
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
    await this.#app.bindings.set(this.#wechat.openid(user), username)
  }
}
