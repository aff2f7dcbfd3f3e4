/** Fills a store with users, through the contract that every store fulfils. */
import { randomBytes } from 'node:crypto'

/** Below the 1,000 commands that redisStore lets wait. */
const BATCH = 400
const DAY_MS = 86_400_000

const text = (bytes) => randomBytes(bytes).toString('base64url')

/** Of 22 characters, and a string of its own: no slice that keeps a longer one alive behind it. */
const id = () => text(16)

/** A session as a login makes it: every field as long as the plugin's own. */
function newSession () {
  const now = Math.floor(Date.now() / 1000) * 1000
  const data = JSON.stringify({ userId: 42 })
  return {
    userId: id(),
    now,
    startedAt: now,
    openid: text(21),
    unionid: null,
    session: { id: id(), createdAt: now, expiresAt: now + 30 * DAY_MS, idleExpiresAt: now + 7 * DAY_MS, label: null, data },
    key: { sealed: text(48), fingerprints: [text(12)] },
    limit: 10,
    replaces: null
  }
}

/**
 * @param sessions how many there shall be
 * @param sample how many of them sign in by `signIn`, evenly among the others: neighbours would share the processor's caches
 * @returns what `signIn` resolved to
 */
export async function fill (store, { sessions, sample, signIn }) {
  const signedIn = []
  for (let made = 0; made < sessions;) {
    const batch = Math.min(BATCH, sessions - made)
    const wanted = Math.round(sample * (made + batch) / sessions) - signedIn.length
    const strangers = Array.from({ length: batch - wanted }, () => store.create(newSession()))
    const users = Array.from({ length: wanted }, () => signIn())
    signedIn.push(...await Promise.all(users))
    await Promise.all(strangers)
    made += batch
  }
  return signedIn
}
