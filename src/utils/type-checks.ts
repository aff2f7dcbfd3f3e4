/** Whether something that came from elsewhere is text, and not empty. */
export function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
