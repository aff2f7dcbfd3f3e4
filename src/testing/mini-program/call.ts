/** How a call of `wx` runs with its fault, and how its outcome reaches the Mini Program. */
import { setTimeout as sleep } from 'node:timers/promises'
import { failure } from './failure.js'
import type { MiniProgramFault } from './faults.js'
import type { WxCallbacks, WxFailure } from './wx.js'

/** Runs a call with its fault. `assertOnline` throws if the phone is offline. */
export async function perform<Result> (
  api: string, fault: MiniProgramFault, assertOnline: () => void, work: () => Result | Promise<Result>
): Promise<Result> {
  const { fail, processed = false, silent = false } = fault
  await wait(fault.delay)
  const isFaulty = fail !== undefined || silent
  if (!isFaulty || processed) {
    assertOnline()
    const result = await work()
    await wait(fault.answerDelay)
    if (!isFaulty) return result
  }
  throw failure(api, fail ?? 'no answer')
}

/** Calls the callbacks with the outcome. Returns the outcome instead if there are none, or if the fault demands it. */
export function settle<Result> (
  fault: MiniProgramFault, callbacks: WxCallbacks<Result> = {}, outcome: Promise<Result>
): Promise<Result> | undefined {
  const { success, fail, complete } = callbacks
  const settled = fault.silent ? withoutEnd(outcome) : outcome
  const hasCallbacks = success !== undefined || fail !== undefined || complete !== undefined
  if (fault.promiseOnly || !hasCallbacks) return settled
  settled.then(
    (result) => { success?.(result); complete?.(result) },
    (failed: WxFailure) => { fail?.(failed); complete?.(failed) }
  )
}

function withoutEnd (outcome: Promise<unknown>): Promise<never> {
  outcome.catch(() => {})
  return new Promise(() => {})
}

async function wait (delay?: number | Promise<unknown>): Promise<void> {
  if (typeof delay === 'number') await sleep(delay)
  else await delay
}

/** Resolves as `work` does. Rejects with the reason of the signal if the signal aborts first. */
export async function unlessAborted<Result> (signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return await new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })
}
