import { parse } from '@lukeed/ms'
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'

/** The longest duration in milliseconds. Some stores and clients hold seconds in a signed 32-bit integer. */
const LONGEST_DURATION = (2 ** 31 - 1) * 1000

/** In milliseconds. A longer timer of Node.js fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Returns a duration in milliseconds. A duration is a whole number of milliseconds, or a string of @lukeed/ms such as
 * '90s' or '7d'.
 *
 * @param option the name for the error, such as 'session.ttl'
 * @param longest milliseconds
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function parseDuration (value: unknown, option: string, longest = LONGEST_DURATION): number {
  // '3600' without a unit is ambiguous: @lukeed/ms reads milliseconds, and most people mean seconds.
  const milliseconds = typeof value === 'string' && !/^[\d.\s]+$/.test(value) ? parse(value) : value
  if (!Number.isInteger(milliseconds) || (milliseconds as number) < 1 || (milliseconds as number) > longest) {
    const problem = `must be a duration of 1 to ${longest} ms. Write a whole number, or a string such as '7d'.`
    throw new FST_WEAPP_INVALID_OPTION(option, problem)
  }
  return milliseconds as number
}
