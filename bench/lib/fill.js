/** Fills a store with users. Uses only the SessionStore interface. */
import { randomBytes } from 'node:crypto'

/** Smaller than the 1,000 commands that redisStore queues. */
const BATCH = 400
const DAY_MS = 86_400_000

export const randomText = (bytes) => randomBytes(bytes).toString('base64url')

/** Returns 22 characters. The string is no slice, because a slice would retain the longer string. */
const randomId = () => randomText(16)

/** Returns a sealed key of the plugin's length. */
export const newKey = () => ({ sealed: randomText(48), fingerprints: [randomText(12)] })

/** Returns the parameters of `store.create` as a login sends them. Every field has the plugin's length. */
export function newSession ({ unionid = null, data = JSON.stringify({ userId: 42 }) } = {}) {
  const now = Math.floor(Date.now() / 1000) * 1000
  return {
    userId: randomId(),
    now,
    startedAt: performance.now(),
    openid: randomText(21),
    unionid,
    session: {
      id: randomId(), createdAt: now, expiresAt: now + 30 * DAY_MS, idleExpiresAt: now + 7 * DAY_MS, label: null, data
    },
    key: newKey(),
    limit: 10,
    replaces: null,
    device: null
  }
}

/**
 * Creates `sessions` sessions.
 *
 * @param sessions the number of sessions
 * @param sample the number of sessions that `signIn` creates. They are spread evenly among the others, because
 *   neighbors would share the caches of the processor.
 * @returns the results of `signIn`
 */
export async function fill (store, { sessions, sample, signIn }) {
  const signedIn = []
  for (let made = 0; made < sessions;) {
    const batch = Math.min(BATCH, sessions - made)
    const wanted = Math.round(sample * (made + batch) / sessions) - signedIn.length
    const created = Array.from({ length: batch - wanted }, () => store.create(newSession()))
    const users = Array.from({ length: wanted }, () => signIn())
    signedIn.push(...await Promise.all(users))
    await Promise.all(created)
    made += batch
  }
  return signedIn
}
