import type { Test } from 'tap'

/** The delays before the first four retries, in milliseconds. */
const BACKOFF_MS = [100, 200, 400, 800]

/** Replaces the delays before retries by 0 until the test ends. Returns the delays that were requested, in order. */
export function skipBackoff (t: Test): number[] {
  const delays: number[] = []
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      if (!BACKOFF_MS.includes(ms)) return setTimeout(callback, ms)
      delays.push(ms)
      return setTimeout(callback, 0)
    }
  })
  return delays
}
