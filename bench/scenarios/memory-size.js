/** The guard over a memoryStore that holds so many sessions, and what one of them takes in the heap. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { memoryStore } from '../../dist/index.js'
import { fill } from '../lib/fill.js'
import { registerWeapp, signIn } from '../lib/weapp.js'

const SETTLE_MS = 1500

export default async function memorySize ({ add }, { wechatUrl, sessions, sample, connections, name }) {
  const wechat = { baseUrl: wechatUrl, dispatcher: new Agent({ connections: 8 }) }
  // What logins bring into the memory once, code and connections, is no session's: it is there before.
  await add('rehearsal', async (scope) => {
    const store = memoryStore()
    await registerWeapp(scope, { store, wechat })
    await fill(store, { sessions: 2 * sample, sample, signIn: () => signIn(scope) })
    return () => undefined
  })
  await add(name, async (scope) => {
    const empty = await usedBytes()
    // It takes the room for its index at once.
    const store = memoryStore({ max: sessions })
    const index = await usedBytes() - empty
    await registerWeapp(scope, { store, wechat })
    scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp.openid }))
    const before = await usedBytes()
    // The phones' tokens are no part of the store: as bytes, their size is known.
    const tokens = Buffer.from(JSON.stringify(await fill(store, { sessions, sample, signIn: () => signIn(scope) })))
    const bytes = (index + await usedBytes() - before - tokens.length) / sessions
    return (url) => ({ url: `${url}/me`, headers: JSON.parse(tokens), connections, bytes })
  })
}

async function usedBytes () {
  // Requests leave timers and signals behind, which go a moment later.
  await sleep(SETTLE_MS)
  // Twice: what is finalized by the first is freed by the second.
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
