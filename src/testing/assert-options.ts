/**
 * What the testing tools refuse to be given. They are called by tests, and a test whose fault or option is misspelt would
 * pass for nothing: so it throws where it stands, also in JavaScript.
 */

/** Refuses anything but an object, and in it any name but these. */
export function assertKnownKeys<Options extends object> (caller: string, options: Options, known: ReadonlyArray<string & keyof Options>): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${caller}: '${String(options)}' is not an object; ${listOf(known)}`)
  for (const name of Object.keys(options)) assertOneOf(caller, name, known)
}

export function assertOneOf (caller: string, name: string, known: readonly string[]): void {
  if (!known.includes(name)) throw new TypeError(`${caller}: '${name}' is not known; ${listOf(known)}`)
}

export function assertUser (caller: string, user: string): void {
  if (typeof user !== 'string' || user === '') throw new TypeError(`${caller}: user must be a string that is not empty`)
}

/** Of a phone number and its country's code, as far as they are given. */
export function assertDigits (caller: string, values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || (typeof value === 'string' && /^\d+$/.test(value))) continue
    throw new TypeError(`${caller}: ${name} must be a string of digits, such as those of { phoneNumber: '7700900000', countryCode: '44' }`)
  }
}

function listOf (known: readonly string[]): string {
  return `known are ${known.join(', ')}`
}
