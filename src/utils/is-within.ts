/**
 * Returns whether a period of `ms` milliseconds that began at `start` covers `now`.
 * Returns false if `now` is before `start`: the clock was set back, and the period would last too long.
 */
export function isWithin (now: number, start: number, ms: number): boolean {
  return now >= start && now < start + ms
}
