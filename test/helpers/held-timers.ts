/** The client's own timers, which expire when the test says so. */
import type { Test } from 'tap'

/** Milliseconds of the client's timers: around wx.login and wx.checkSession, and around the plugin's routes. */
const CLIENT_TIMEOUTS = [12_000, 65_000]

export interface HeldTimers {
  /** The milliseconds of the timers that run. */
  readonly running: number[]
  /** Expires the timers that run. */
  expire (): void
}

/** Holds the timers of the client until the test ends. Other timers run as usual. */
export function holdTimers (t: Test): HeldTimers {
  const { setTimeout, clearTimeout } = globalThis
  const held = new Map<unknown, { callback: () => void, milliseconds: number }>()
  t.intercept(globalThis, 'setTimeout', {
    value: Object.assign((callback: () => void, milliseconds: number, ...rest: unknown[]) => {
      if (!CLIENT_TIMEOUTS.includes(milliseconds)) return setTimeout(callback, milliseconds, ...rest as [])
      const timer = {}
      held.set(timer, { callback, milliseconds })
      return timer
    }, setTimeout)
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer: Parameters<typeof clearTimeout>[0]) => { if (!held.delete(timer)) clearTimeout(timer) }
  })
  return {
    get running () { return [...held.values()].map(({ milliseconds }) => milliseconds) },
    expire () {
      for (const { callback } of held.values()) callback()
      held.clear()
    }
  }
}
