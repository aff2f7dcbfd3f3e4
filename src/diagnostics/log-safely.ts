/** Tells whoever runs the server, by a line of the log or a function of the host's: when that throws, the answer is the same. */
export function logSafely (write: () => void): void {
  try {
    write()
  } catch { /* There is nobody left to tell. */ }
}
