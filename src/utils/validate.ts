/** What options are checked with: a wrong one is named, and its value is not repeated. Each throws FST_WEAPP_INVALID_OPTION. */
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'

export function invalid (option: string, reason: string): Error {
  return new FST_WEAPP_INVALID_OPTION(option, reason)
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object of options; one that nobody knows is more likely misspelt than meant for later. */
export function section (value: unknown, name: string, known: string[]): Record<string, unknown> {
  if (value === undefined) return {}
  if (!isObject(value)) throw invalid(name, 'must be an object')
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalid(within(name, unknown), `is not known: known are ${known.join(', ')}`)
  return value
}

/** What an option of a section is called; those of no section stand for themselves. */
export function within (section: string, option: string): string {
  return section === 'options' ? option : `${section}.${option}`
}

export function text (value: unknown, name: string): string {
  if (typeof value !== 'string' || value.trim() === '') throw invalid(name, 'must be a string that is not blank')
  return value
}

/** One that was copied or read from a file may end in white space: WeChat would refuse it, and a server that trims it would derive other keys. */
export function credential (value: unknown, name: string): string {
  const credential = text(value, name)
  if (credential.trim() !== credential) throw invalid(name, 'must not begin or end with white space')
  return credential
}

export function path (value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^(\/[^\s?#]*)?$/.test(value)) throw invalid(name, "must be a path that begins with '/'")
  return value
}

export function choice<Choice extends string> (value: unknown, name: string, choices: readonly Choice[]): Choice {
  const chosen = choices.find((candidate) => candidate === value)
  if (chosen === undefined) throw invalid(name, `must be one of ${choices.join(', ')}`)
  return chosen
}

export function flag (value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalid(name, 'must be true or false')
  return value
}

export function callback<Callback> (value: Callback, name: string): Callback {
  if (typeof value !== 'function') throw invalid(name, 'must be a function')
  return value
}

export function wholeNumber (value: unknown, name: string, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalid(name, `must be a whole number from ${least} to ${most}`)
  }
  return value as number
}
