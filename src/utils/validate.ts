/** What options are checked with: a wrong one is named, and its value is not repeated. Each throws FST_WEAPP_INVALID_OPTION. */
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'
import { isObject } from './type-checks.js'

export function invalidOption (option: string, reason: string): Error {
  return new FST_WEAPP_INVALID_OPTION(option, reason)
}

/** An object of options; one that nobody knows is more likely misspelt than meant for later. */
export function objectOption (value: unknown, name: string, known: string[]): Record<string, unknown> {
  if (value === undefined) return {}
  if (!isObject(value)) throw invalidOption(name, 'must be an object')
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalidOption(optionPath(name, unknown), `is not known: known are ${known.join(', ')}`)
  return value
}

/** What an option of a section is called; those of no section stand for themselves. */
export function optionPath (section: string, option: string): string {
  return section === 'options' ? option : `${section}.${option}`
}

export function stringOption (value: unknown, name: string): string {
  if (typeof value !== 'string' || value.trim() === '') throw invalidOption(name, 'must be a string that is not blank')
  return value
}

/** One that was copied or read from a file may end in white space: WeChat would refuse it, and a server that trims it would derive other keys. */
export function secretOption (value: unknown, name: string): string {
  const credential = stringOption(value, name)
  if (credential.trim() !== credential) throw invalidOption(name, 'must not begin or end with white space')
  return credential
}

export function pathOption (value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^(\/[^\s?#]*)?$/.test(value)) throw invalidOption(name, "must be a path that begins with '/'")
  return value
}

export function enumOption<Choice extends string> (value: unknown, name: string, choices: readonly Choice[]): Choice {
  const chosen = choices.find((candidate) => candidate === value)
  if (chosen === undefined) throw invalidOption(name, `must be one of ${choices.join(', ')}`)
  return chosen
}

export function booleanOption (value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidOption(name, 'must be true or false')
  return value
}

export function functionOption<Callback> (value: Callback, name: string): Callback {
  if (typeof value !== 'function') throw invalidOption(name, 'must be a function')
  return value
}

export function integerOption (value: unknown, name: string, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalidOption(name, `must be a whole number from ${least} to ${most}`)
  }
  return value as number
}
