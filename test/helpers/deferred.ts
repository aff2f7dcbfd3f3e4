/** A promise that a test settles. */
export interface Deferred {
  promise: Promise<void>
  resolve (): void
}

export function deferred (): Deferred {
  let resolve!: () => void
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}
