/** Serves a guarded route over a memoryStore with many sessions, and measures the heap per session. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { memoryStore } from '../../dist/index.js'
import { fill } from '../lib/fill.js'
import { registerWeapp, signIn } from '../lib/weapp.js'

const SETTLE_MS = 1500

export default async function memorySize ({ add }, { wechatUrl, sessions, sample, connections, name }) {
  const wechat = { baseUrl: wechatUrl, dispatcher: new Agent({ connections: 8 }) }
  // Logins first, because the one-time costs of code and connections do not belong to a session.
  await add('rehearsal', async (scope) => {
    const store = memoryStore()
    await registerWeapp(scope, { store, wechat })
    await fill(store, { sessions: 2 * sample, sample, signIn: () => signIn(scope) })
    return () => undefined
  })
  await add(name, async (scope) => {
    const empty = await usedBytes()
    // The store may allocate its index at once.
    const store = memoryStore({ max: sessions })
    const index = await usedBytes() - empty
    await registerWeapp(scope, { store, wechat })
    scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp.openid }))
    const before = await usedBytes()
    // The tokens are not part of the store. A buffer has a known size, which is subtracted.
    const tokens = Buffer.from(JSON.stringify(await fill(store, { sessions, sample, signIn: () => signIn(scope) })))
    const bytes = (index + await usedBytes() - before - tokens.length) / sessions
    return (url) => ({ url: `${url}/me`, headers: JSON.parse(tokens), connections, bytes })
  })
}

async function usedBytes () {
  // Timers and signals of requests are released a moment later.
  await sleep(SETTLE_MS)
  // The second collection frees the objects that the first collection finalized.
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
