import { parse } from '@lukeed/ms'
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'

/** Above this, seconds no longer fit the 32 bits that stores and clients use for them. */
const LONGEST = (2 ** 31 - 1) * 1000

/** Above this, a timer of Node.js fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1

/**
 * A duration option in milliseconds: a whole number of them, or a string of @lukeed/ms such as '90s' or '7d'.
 *
 * @param option the name to blame, such as 'session.ttl'
 * @throws FST_WEAPP_INVALID_OPTION unless it is at least one millisecond and at most `longest`
 */
export function parseDuration (value: unknown, option: string, longest = LONGEST): number {
  // '3600' reads as milliseconds to @lukeed/ms and as seconds to most people: neither guess is safe.
  const milliseconds = typeof value === 'string' && !/^[\d.\s]+$/.test(value) ? parse(value) : value
  if (typeof milliseconds !== 'number' || !Number.isInteger(milliseconds) || milliseconds < 1 || milliseconds > longest) {
    throw new FST_WEAPP_INVALID_OPTION(option, `must be a duration of 1 to ${longest} ms: a whole number, or a string such as '7d'`)
  }
  return milliseconds
}
