/**
 * The id of a device, which the client of a Mini Program sends with each login. A login replaces the session of the
 * same user on the same device. Otherwise lost responses would add a session with each attempt.
 */
import type { FastifyRequest } from 'fastify'
import { digest } from './crypto/digest.js'
import { FST_WEAPP_DEVICE_INVALID } from './errors.js'

const DEVICE_ID = /^[\w-]{1,64}$/

/** 96 bits, which suffice among the sessions of one user. */
const DIGEST_LENGTH = 16

/**
 * Returns the header `Weapp-Device`, or null without it.
 *
 * @throws FST_WEAPP_DEVICE_INVALID
 */
export function deviceIdOf ({ headers }: Pick<FastifyRequest, 'headers'>): string | null {
  const id = headers['weapp-device']
  if (id === undefined) return null
  if (typeof id !== 'string' || !DEVICE_ID.test(id)) throw new FST_WEAPP_DEVICE_INVALID()
  return id
}

/**
 * Returns what a store keeps of a device's id. The digest includes the user, so that the store does not show that two
 * users share a device. It has no key, because a new secret must not turn a device into another one. Ids are random, so
 * a key would protect nothing more.
 */
export function deviceDigest (userId: string, deviceId: string): string {
  return digest(JSON.stringify(['device', userId, deviceId]), DIGEST_LENGTH)
}
