import { test } from 'tap'
import { createSessionPolicy, type SessionPolicyOptions } from '../../src/sessions/policy.js'
import { DAY, HOUR } from '../../src/testing/store-suite/test-user.js'

const policyOf = (options: Partial<SessionPolicyOptions> = {}) => createSessionPolicy({ ttl: 30 * DAY, idle: HOUR, ...options })

test('lifetime: whole seconds, rounded down', async (t) => {
  for (const [now, ttl, createdAt, expiresAt] of [
    [0, 1000, 0, 1000],
    [999, 1000, 0, 1000],
    [1000, 1000, 1000, 2000],
    [1999, 1999, 1000, 2000],
    [5000, 2000, 5000, 7000]
  ] as const) {
    t.strictSame(policyOf({ ttl }).lifetime(now), { createdAt, expiresAt }, `at ${now} with ttl ${ttl}`)
  }
})

test('idleEnd: now plus idle, at most the absolute expiry', async (t) => {
  for (const [idle, now, expected] of [
    [HOUR, 0, HOUR],
    [HOUR, 5, HOUR + 5],
    [HOUR, DAY - HOUR, DAY],
    [HOUR, DAY - 1, DAY],
    [false, 0, DAY],
    [false, DAY - 1, DAY]
  ] as const) {
    t.equal(policyOf({ idle }).idleEnd(DAY, now), expected, `idle ${idle} at ${now}`)
  }
})

test('nextTouchAt: after a twentieth of idle', async (t) => {
  for (const [name, idle, idleExpiresAt, expected] of [
    ['last touched at 0', HOUR, HOUR, HOUR / 20],
    ['last touched at one hour', HOUR, 2 * HOUR, HOUR + HOUR / 20],
    ['a twentieth later is past the touch that reaches the absolute expiry', HOUR, DAY - 1, DAY - HOUR],
    ['the idle expiry is the absolute expiry', HOUR, DAY, Infinity],
    ['without an idle time', false, DAY, Infinity],
    ['without an idle time, created under one', false, HOUR, -Infinity]
  ] as const) {
    t.equal(policyOf({ idle }).nextTouchAt({ expiresAt: DAY, idleExpiresAt }), expected, name)
  }
})

test('nextTouchAt: a session in steady use is touched 20 times per idle time', async (t) => {
  const policy = policyOf()
  let session = { expiresAt: DAY, idleExpiresAt: HOUR }
  let touches = 0
  for (let now = 0; now < HOUR; now += 1000) {
    if (now < policy.nextTouchAt(session)) continue
    session = { ...session, idleExpiresAt: policy.idleEnd(session.expiresAt, now) }
    touches++
  }
  t.equal(touches, 19, 'at 3, 6, … 57 minutes')
})
