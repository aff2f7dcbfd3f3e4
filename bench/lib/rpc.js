/** The other end of processes.js: answers the parent's calls, one by one or at once, until the parent is gone. */
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
