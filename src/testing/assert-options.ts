/**
 * Validates the arguments of the testing tools at run time, for tests in JavaScript. A test with a misspelled fault or
 * option would otherwise pass without testing anything.
 */

/** Throws unless `options` is an object with known keys only. */
export function assertKnownKeys<Options extends object> (
  caller: string, options: Options, known: ReadonlyArray<string & keyof Options>
): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${caller}: '${String(options)}' is not an object. Its keys may be ${known.join(', ')}`)
  }
  for (const name of Object.keys(options)) assertOneOf(caller, name, known)
}

export function assertOneOf (caller: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) throw new TypeError(`${caller}: '${value}' is not valid. Use one of ${known.join(', ')}`)
}

export function assertUser (caller: string, user: string): void {
  if (typeof user !== 'string' || user === '') throw new TypeError(`${caller}: user must be a non-empty string`)
}

/** Validates the given parts of a phone number. Undefined parts are allowed. */
export function assertDigits (caller: string, values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || (typeof value === 'string' && /^\d+$/.test(value))) continue
    throw new TypeError(`${caller}: ${name} must be a string of digits, such as '7700900000' or '44'`)
  }
}
