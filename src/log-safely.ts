/** Runs what writes into the host's log: a logger that fails has no say in what is answered. */
export function logSafely (write: () => void): void {
  try {
    write()
  } catch { /* There is nobody left to tell. */ }
}
