/** Serves the calls of processes.js, also concurrently, until the parent process ends. */
export function serve (methods) {
  process.on('message', async ({ id, method, args }) => {
    try {
      process.send({ id, result: await methods[method](...args) })
    } catch (error) {
      process.send({ id, error: error.stack ?? String(error) })
    }
  })
  process.once('disconnect', () => process.exit())
}
