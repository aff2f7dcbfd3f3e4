/** Validators of options. Each throws FST_WEAPP_INVALID_OPTION, which names the option and never contains its value. */
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'
import { isObject } from './type-checks.js'

export function invalidOption (option: string, problem: string): Error {
  return new FST_WEAPP_INVALID_OPTION(option, problem)
}

/**
 * Returns the path of an option, such as 'session.ttl'.
 *
 * @param section null if the option is in no section
 */
export function optionPath (section: string | null, name: string): string {
  return section === null ? name : `${section}.${name}`
}

/**
 * Validates an object of options. An unknown name throws, because it is almost always a typo.
 *
 * @param section null if the object is in no section
 */
export function objectOption (
  value: unknown, section: string | null, names: readonly string[]
): Record<string, unknown> {
  if (value === undefined) return {}
  if (!isObject(value)) throw invalidOption(section ?? 'options', 'must be an object')
  const unknown = Object.keys(value).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const problem = `is not a valid option (valid options: ${names.join(', ')})`
    throw invalidOption(optionPath(section, unknown), problem)
  }
  return value
}

export function stringOption (value: unknown, option: string): string {
  if (typeof value !== 'string' || value.trim() === '') {
    throw invalidOption(option, 'must be a string that is not blank')
  }
  return value
}

/**
 * Validates a secret or an id. White space at the ends is usually a copy error, so it throws. WeChat would refuse such
 * an id. A server that trims the secret would derive other keys.
 */
export function secretOption (value: unknown, option: string): string {
  const secret = stringOption(value, option)
  if (secret.trim() !== secret) throw invalidOption(option, 'must not begin or end with white space')
  return secret
}

export function pathOption (value: unknown, option: string): string {
  if (typeof value !== 'string' || !/^(\/[^\s?#]*)?$/.test(value)) {
    throw invalidOption(option, "must be a path that begins with '/'")
  }
  return value
}

export function enumOption<Choice extends string> (value: unknown, option: string, choices: readonly Choice[]): Choice {
  const chosen = choices.find((candidate) => candidate === value)
  if (chosen === undefined) throw invalidOption(option, `must be one of ${choices.join(', ')}`)
  return chosen
}

export function booleanOption (value: unknown, option: string): boolean {
  if (typeof value !== 'boolean') throw invalidOption(option, 'must be true or false')
  return value
}

export function functionOption<Callback> (value: Callback, option: string): Callback {
  if (typeof value !== 'function') throw invalidOption(option, 'must be a function')
  return value
}

export function integerOption (value: unknown, option: string, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalidOption(option, `must be a whole number from ${min} to ${max}`)
  }
  return value as number
}
