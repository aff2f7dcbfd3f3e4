export interface Deferred {
  promise: Promise<void>
  resolve (): void
}

/** Returns a promise with its resolve function. */
export function deferred (): Deferred {
  let resolve!: () => void
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}
