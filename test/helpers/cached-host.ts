/** A host whose session cache is on, over a store that records what the cache does with it. */
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { memoryStore, type WeappOptions } from '../../src/index.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import { APP_ID, startHost, type Host } from './host.js'
import { recordingStore, type RecordingStore, type RecordingStoreOptions } from './recording-store.js'

type Work = (request: FastifyRequest) => unknown

export interface CachedHost extends Host {
  watched: RecordingStore
  /** Counts the reads of the store during a step of the test. */
  readsOf (step: () => unknown): Promise<number>
  /** Runs a function inside of a guarded request and returns its result. */
  within (token: string, work: Work): Promise<any>
  /** Returns 'live' if the guard accepts the token, otherwise the error code. */
  stateOf (token: string): Promise<string>
  user (name?: string): { appId: string, openid: string }
  userIdOf (name: string): string
}

export interface CachedHostOptions extends RecordingStoreOptions {
  /** The plugin's options. Without a store, the host has a memory store of its own. */
  options?: Partial<WeappOptions>
}

export async function cachedHost (
  t: Test, { options, ...recording }: CachedHostOptions = {}
): Promise<CachedHost> {
  const watched = recordingStore(options?.store ?? memoryStore(), recording)
  let work: Work = () => null
  const host = await startHost(t, {
    options: { cache: {}, ...options, store: watched.store },
    after: (app) => {
      app.get('/work', { config: { weapp: true } }, async (request) => ({ result: await work(request) ?? null }))
    }
  })
  return {
    ...host,
    watched,
    async readsOf (step) {
      const before = watched.reads
      await step()
      return watched.reads - before
    },
    async within (token, step) {
      work = step
      const response = await host.get('/work', token)
      t.equal(response.statusCode, 200, 'works within a request')
      return response.json().result
    },
    stateOf: async (token) => (await host.get('/me', token)).json().code ?? 'live',
    user: (name = 'alice') => ({ appId: APP_ID, openid: host.wechat.openid(name) }),
    userIdOf: (name) => userIdOf(APP_ID, host.wechat.openid(name))
  }
}
