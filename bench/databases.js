/**
 * Measures the CPU time of the operations of stores over databases, next to the same driver by hand, and the bytes of
 * one user. `npm run bench -- --only databases` measures requests.
 *
 *     npm run build && node bench/databases.js [--quick] [--only postgresStore|mysqlStore|sqliteStore]
 *
 * "By hand" is one SELECT or INSERT of one session by its id, with JSON.parse of its data. Operations run one at a time
 * in this process, in turn with those by hand. A ratio of 1.3 means 1.3 times the CPU time of this process.
 */
import { parseArgs } from 'node:util'
import { DATABASES } from './lib/databases.js'
import { newKey, newSession, randomText } from './lib/fill.js'
import { describeMachine } from './lib/machine.js'
import { killAll } from './lib/processes.js'
import { median, shuffled } from './lib/statistics.js'

const { values: { quick, only } } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } }
})
const ROUNDS = quick ? 7 : 41
const ROUND_MS = 100
const USERS = quick ? 5000 : 100_000
const BATCH = 200
const KIB = JSON.stringify({ text: 'x'.repeat(1013) })

/** Repeats an operation for some time. Returns microseconds of CPU time for each. */
async function cpuOf (operation) {
  const start = process.cpuUsage()
  const end = performance.now() + ROUND_MS
  let count = 0
  while (performance.now() < end) {
    for (let i = 0; i < 10; i++) await operation()
    count += 10
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / count
}

/** Measures operations in turn, in a random order. Returns the median ratio of each to its reference. */
async function ratios (operations) {
  const rounds = []
  for (const { run } of Object.values(operations)) await cpuOf(run)
  for (let round = 0; round < ROUNDS; round++) {
    const cpu = {}
    for (const [name, { run }] of shuffled(Object.entries(operations))) cpu[name] = await cpuOf(run)
    rounds.push(cpu)
  }
  return Object.entries(operations).filter(([, { reference }]) => reference !== undefined)
    .map(([name, { reference, target }]) => ({
      operation: name,
      microseconds: Math.round(median(rounds.map((cpu) => cpu[name]))),
      byHand: Math.round(median(rounds.map((cpu) => cpu[reference]))),
      ratio: median(rounds.map((cpu) => cpu[name] / cpu[reference])).toFixed(2),
      target
    }))
}

/** Creates a user with some sessions. Returns the reference of one. */
async function signIn (store, options, sessions = 1) {
  const first = newSession(options)
  await store.create(first)
  for (let i = 1; i < sessions; i++) await store.create({ ...newSession(options), userId: first.userId })
  return { userId: first.userId, sessionId: first.session.id }
}

async function measure ({ store, select, insert }) {
  const { now } = newSession()
  const hand = { small: randomText(16), kib: randomText(16) }
  await insert(hand.small, randomText(21), JSON.stringify({ userId: 42 }), now + 1e9)
  await insert(hand.kib, randomText(21), KIB, now + 1e9)
  const one = { ...await signIn(store), now }
  const ten = { ...await signIn(store, { data: KIB }, 10), now }
  let { idleExpiresAt } = newSession().session

  const selectByHand = (id) => async () => JSON.parse((await select(id, now)).data)
  const read = (ref) => async () => JSON.parse((await store.read(ref)).session.data)
  return await ratios({
    'SELECT by hand': { run: selectByHand(hand.small) },
    'SELECT by hand, 1 KiB': { run: selectByHand(hand.kib) },
    'INSERT by hand': { run: () => insert(randomText(16), randomText(21), '{"userId":42}', now + 1e9) },
    read: { run: read(one), reference: 'SELECT by hand', target: 1.3 },
    'read, ten sessions of 1 KiB': { run: read(ten), reference: 'SELECT by hand, 1 KiB', target: 1.3 },
    touch: {
      run () {
        idleExpiresAt++
        return store.touch({ ...one, idleExpiresAt })
      },
      reference: 'INSERT by hand'
    },
    create: { run: () => store.create(newSession()), reference: 'INSERT by hand' }
  })
}

/** Returns the bytes of one user with one session, a unionid and two keys. */
async function bytesPerUser ({ store, bytes }) {
  const add = async () => {
    const session = newSession({ unionid: randomText(21), data: null })
    await store.create(session)
    await store.writeKey({ userId: session.userId, now: session.now, key: newKey() })
  }
  const before = await bytes()
  for (let i = 0; i < USERS; i += BATCH) await Promise.all(Array.from({ length: BATCH }, add))
  return Math.round((await bytes() - before) / USERS)
}

console.table(describeMachine())
try {
  for (const [name, { start, open }] of Object.entries(DATABASES)) {
    if (only !== undefined && only !== name) continue
    const server = await start()
    const database = await open(server.url)
    console.log(`\n${name}`)
    console.table(await measure(database))
    console.log(`${await bytesPerUser(database)} bytes for each of ${USERS} users`)
    await database.close()
    await server.stop()
  }
} finally {
  killAll()
}
