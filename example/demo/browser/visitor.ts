/** Who sits in front of the page: one WeChat user, for as long as this browser remembers. */
const KEY = 'demo-visitor'

export function visitor (): string {
  const known = localStorage.getItem(KEY)
  if (known !== null && /^[a-z0-9]{8,32}$/.test(known)) return known
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  localStorage.setItem(KEY, fresh)
  return fresh
}

/** Somebody who was never here. */
export function forgetVisitor (): void {
  for (const key of Object.keys(localStorage)) {
    if (key === KEY || key.startsWith('phone-')) localStorage.removeItem(key)
  }
}
