/** Whether a value of unknown origin is an object, and neither null nor an array. */
export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether something that came from elsewhere is text, and not empty. */
export function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
