/** The visitor of the page, as one WeChat user. The browser's storage contains the visitor's id. */
const KEY = 'demo-visitor'

export function visitor (): string {
  const stored = localStorage.getItem(KEY)
  if (stored !== null && /^[a-z0-9]{8,32}$/.test(stored)) return stored
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  const created = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  localStorage.setItem(KEY, created)
  return created
}

/** Removes the visitor and their phones from the browser's storage. */
export function resetVisitor (): void {
  for (const key of Object.keys(localStorage)) {
    if (key === KEY || key.startsWith('phone-')) localStorage.removeItem(key)
  }
}
