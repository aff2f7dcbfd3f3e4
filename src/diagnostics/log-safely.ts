/** Runs a logger or a callback of the host and discards its errors, so that logging never changes a response. */
export function logSafely (write: () => void): void {
  try {
    write()
  } catch { /* There is nowhere to report the failure. */ }
}
