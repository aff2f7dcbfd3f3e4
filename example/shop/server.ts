/** The entry point. Run `npm run example`, then open the printed URL or paste the lines into a second terminal. */
import { buildApp } from './app.js'
import { readSettings, type Settings } from './settings.js'

async function start (): Promise<void> {
  const settings = await readSettings(process.env)
  const { host, port, simulator } = settings
  const app = await buildApp(settings)
  app.addHook('onClose', () => simulator?.close())
  await app.listen({ host, port })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Completes requests in flight, then the process exits. A second signal ends the process at once.
    process.once(signal, () => app.close())
  }
  if (simulator !== null) console.log(`Open ${app.listeningOrigin}/ in a browser, or paste these lines:`)
  for (const line of curlLines(app.listeningOrigin, settings)) console.log(line)
}

/** Returns lines for bash or zsh. They sign in with a password, then with the code alone. */
function curlLines (origin: string, { simulator }: Settings): string[] {
  const json = "-H 'content-type: application/json'"
  const authorization = '-H "authorization: Bearer $TOKEN"'
  const account = String.raw`\"account\":{\"username\":\"alice\",\"password\":\"wonderland\"}`

  const code = simulator === null
    ? "CODE='the code of wx.login'"
    : `CODE=$(curl -s '${simulator.url}/simulator/login?user=alice' | ${extract('code')})`
  const login = (fields: string) => (
    `TOKEN=$(curl -s '${origin}/weapp/login' ${json} -d "{${fields}}" | ${extract('token')})`
  )
  const get = (path: string) => String.raw`curl -sw '\n' '${origin}${path}' ${authorization}`

  return [
    code,
    login(String.raw`\"code\":\"$CODE\",${account}`),
    get('/me'),
    code,
    login(String.raw`\"code\":\"$CODE\"`),
    get('/orders')
  ]
}

/** Returns a sed command that prints a field of JSON text. Text without the field, such as an error, is unchanged. */
function extract (field: string): string {
  return String.raw`sed 's/.*"${field}":"\([^"]*\)".*/\1/'`
}

try {
  await start()
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(code === 'EADDRINUSE' ? `${message}. Set PORT to another port.` : message)
  process.exit(1)
}
