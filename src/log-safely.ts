/** Runs what tells whoever runs the server, in the host's log or by its own function: what fails there has no say in what is answered. */
export function logSafely (write: () => void): void {
  try {
    write()
  } catch { /* There is nobody left to tell. */ }
}
