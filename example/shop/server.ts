/** The entry point. */
import { buildApp } from './app.js'
import { readSettings } from './settings.js'

try {
  const settings = readSettings(process.env)
  const app = await buildApp(settings)
  await app.listen({ host: settings.host, port: settings.port })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Completes requests in flight, then the process exits. A second signal ends the process at once.
    process.once(signal, () => app.close())
  }
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(code === 'EADDRINUSE' ? `${message}. Set PORT to another port.` : message)
  process.exit(1)
}
