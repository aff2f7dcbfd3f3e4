/** The entry point. Run `npm run example`, then open the printed URL or paste the lines into a second terminal. */
import { startWechatSimulator } from 'fastify-weapp/testing'
import { buildApp } from '../shop/app.js'
import { readServerSettings, readSettings } from '../shop/settings.js'
import { buildDemo } from './app.js'
import { curlLines } from './curl-lines.js'

/** Public, so it never signs tokens of the real WeChat's users. */
const DEVELOPMENT_SECRET = 'for development only: never sign real tokens with this'

/** With an app id, starts the shop with the real WeChat. Without one, simulates WeChat and shows the page. */
async function start ({ env }: NodeJS.Process): Promise<void> {
  const isReal = Boolean(env.WEAPP_APP_ID || env.WEAPP_APP_SECRET)
  const app = isReal ? await buildApp(readSettings(env)) : await startDemo(env)
  const { host, port } = readServerSettings(env)
  await app.listen({ host, port })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Completes requests in flight, then the process exits. A second signal ends the process at once.
    process.once(signal, () => app.close())
  }
}

async function startDemo (env: NodeJS.ProcessEnv) {
  const settings = readServerSettings(env)
  // A login may return the current key, as WeChat documents. One tap then recovers from an expired key.
  const wechat = await startWechatSimulator({ keyChanges: 'never' })
  const [[appId, appSecret]] = Object.entries(wechat.apps) as [[string, string]]
  const app = await buildDemo({ ...settings, appId, appSecret, secret: env.WEAPP_SECRET || DEVELOPMENT_SECRET }, wechat)
  app.addHook('onClose', () => wechat.close())
  app.addHook('onListen', async () => {
    console.log(`Open ${app.listeningOrigin}/ in a browser, or paste these lines:`)
    for (const line of curlLines(app.listeningOrigin, wechat.url)) console.log(line)
  })
  return app
}

try {
  await start(process)
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(code === 'EADDRINUSE' ? `${message}. Set PORT to another port.` : message)
  process.exit(1)
}
