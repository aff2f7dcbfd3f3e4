/** The example as a newcomer meets it: started in a process of its own, its printed lines pasted into bash. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { until } from '../helpers/processes.js'
import { redisUrl, startRedis, type RedisServer } from '../helpers/redis.js'

// Processes start slowly where much else runs.
tap.setTimeout(300_000)

const ROOT = new URL('../..', import.meta.url)
const PRINTED = /^(?:CODE|TOKEN)=|^curl /
const PRINTED_LINES = 6

if (spawnSync('curl', ['--version']).status !== 0) throw new Error('curl is not on the PATH: the example prints curl commands, and this test runs them')

interface Example {
  /** What it printed to be pasted. */
  lines: string[]
  origin: string
  /** A code of wx.login. */
  code (user: string): Promise<string>
  /** A code of the phone number button. */
  phoneCode (user: string): Promise<string>
  login (body: object, signal?: AbortSignal): Promise<Response>
  get (path: string, token?: string): Promise<Response>
  /** SIGTERM; resolves to how the process ended. */
  stop (): Promise<{ exitCode: number | null, signal: string | null }>
}

function spawnExample (t: Test, env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'example/server.ts'], {
    cwd: ROOT, env: childEnvironment({ PORT: '0', ...env }), stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

async function startExample (t: Test, env: Record<string, string> = {}): Promise<Example> {
  const child = spawnExample(t, env)
  const errors = text(child.stderr!)
  const ended = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout!)) {
    if (PRINTED.test(line)) lines.push(line)
    if (lines.length === PRINTED_LINES) break
  }
  if (lines.length < PRINTED_LINES) throw new Error(`the example did not start: ${await errors}`)
  // Read on, or the server would stop when the pipe is full.
  child.stdout!.resume()

  const [simulator, origin] = lines.slice(0, 2).map((line) => new URL(/http:[^']+/.exec(line)![0]).origin) as [string, string]
  const codeFrom = async (path: string, user: string) => {
    const { code } = await (await fetch(`${simulator}/simulator/${path}?user=${user}`)).json() as { code: string }
    return code
  }
  return {
    lines,
    origin,
    code: (user) => codeFrom('login', user),
    phoneCode: (user) => codeFrom('phone-code', user),
    login: (body, signal) => fetch(`${origin}/weapp/login`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal: signal ?? null
    }),
    get: (path, token) => fetch(origin + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    async stop () {
      child.kill('SIGTERM')
      const [exitCode, signal] = await ended
      return { exitCode, signal }
    }
  }
}

/** Pastes the lines into one bash; what it shows, line by line, and the token that the shell holds at the end. */
async function paste (t: Test, { lines }: Example): Promise<{ shown: unknown[], token: string }> {
  const bash = spawn('bash', ['-e', '-o', 'pipefail'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { bash.kill('SIGKILL') })
  bash.stdin.end([...lines, 'echo "$TOKEN"', ''].join('\n'))
  const shown = (await text(bash.stdout)).trimEnd().split('\n')
  const token = shown.pop()!
  return { shown: shown.map((line) => JSON.parse(line)), token }
}

async function checkPasted (t: Test, example: Example): Promise<string> {
  const { shown, token } = await paste(t, example)
  t.match(shown, [
    { username: 'alice', name: 'Alice', openid: /^o.{27}$/, signedInAt: Number },
    [{ id: 1001, username: 'alice', productId: 1 }]
  ], 'the printed lines sign in, with the password and then with the code alone, and call both guarded routes')
  return token
}

async function refusal (response: Response): Promise<unknown> {
  const { statusCode, code } = await response.json() as { statusCode: number, code: string }
  return [response.status, statusCode, code]
}

test('with nothing but Node', async (t) => {
  const example = await startExample(t)
  const token = await checkPasted(t, example)

  await t.test('routes for everybody', async (t) => {
    t.equal((await example.get('/products')).status, 200)
    t.strictSame(await (await example.get('/welcome')).json(), { message: 'Welcome, stranger!' })
    t.strictSame(await (await example.get('/welcome', token)).json(), { message: 'Welcome, Alice!' })
    t.strictSame(await refusal(await example.get('/me')), [401, 401, 'FST_WEAPP_TOKEN_MISSING'])
  })

  await t.test('who is not bound to an account, and who guesses', async (t) => {
    const refused = async (account?: object) => refusal(await example.login({ code: await example.code('mallory'), account }))
    t.strictSame(await refused(), [403, 403, 'SHOP_ACCOUNT_NOT_BOUND'])
    t.strictSame(await refused({ username: 'alice', password: 'guess' }), [401, 401, 'SHOP_WRONG_PASSWORD'])
    t.strictSame(await refused({ username: 'nobody', password: 'wonderland' }), [401, 401, 'SHOP_WRONG_PASSWORD'])
    t.strictSame(await refused({ username: 'alice' }), [400, 400, 'FST_ERR_VALIDATION'])
    t.strictSame(await refused(), [403, 403, 'SHOP_ACCOUNT_NOT_BOUND'], 'a wrong password binds nothing')
  })

  await t.test('one tap on the phone number button instead of a password', async (t) => {
    const phoneCode = await example.phoneCode('carol')
    const swapped = await refusal(await example.login({ code: phoneCode, phoneCode: await example.code('carol') }))
    t.strictSame(swapped, [401, 401, 'FST_WEAPP_CODE_INVALID'], 'the two kinds of code are not the same')
    const bound = await example.login({ code: await example.code('carol'), phoneCode: await example.phoneCode('carol') })
    t.match(await bound.json(), { user: { username: 'alice' } }, 'the simulated number is that of the account alice')
    t.equal((await example.login({ code: await example.code('carol') })).status, 200, 'and carol is bound to it')
  })

  await t.test('the metrics', async (t) => {
    await example.get('/me')
    const metrics = await (await example.get('/metrics')).text()
    t.match(metrics, /weapp_logins_total{outcome="ok"} [1-9]/)
    t.match(metrics, /weapp_logins_total{outcome="SHOP_WRONG_PASSWORD"} [1-9]/)
    t.match(metrics, /weapp_refusals_total{code="FST_WEAPP_TOKEN_MISSING"} [1-9]/)
    t.match(metrics, /weapp_exchange_seconds_count{path="\/sns\/jscode2session"} [1-9]/)
  })

  await t.test('the documentation', async (t) => {
    t.equal((await example.get('/docs/')).status, 200)
    const { paths } = await (await example.get('/docs/json')).json() as { paths: object }
    t.strictSame(Object.keys(paths).sort(), ['/me', '/orders', '/products', '/weapp/login', '/weapp/logout', '/weapp/session', '/welcome'])
  })

  await t.test('the limit of the login route', async (t) => {
    const statuses = new Set<number>()
    // More than a minute's worth: the codes are no good, so that only the limit can answer anything but 401.
    for (let i = 0; i < 21; i++) statuses.add((await example.login({ code: 'none' })).status)
    t.strictSame([...statuses], [401, 429])
    t.equal((await example.get('/me', token)).status, 200, 'the limit is for the login alone')
  })

  t.strictSame(await example.stop(), { exitCode: 0, signal: null }, 'it closes by itself')
})

test('with Redis, a session outlives the server', async (t) => {
  const env = { REDIS_URL: await redisUrl(t) }
  const first = await startExample(t, env)
  const token = await checkPasted(t, first)
  const me = await (await first.get('/me', token)).json()
  t.strictSame(await first.stop(), { exitCode: 0, signal: null })

  const second = await startExample(t, env)
  const again = await second.get('/me', token)
  t.equal(again.status, 200, 'the token of the first server')
  t.strictSame(await again.json(), me)
  t.equal((await second.login({ code: await second.code('alice') })).status, 200, 'the account is still bound')
  await checkPasted(t, second)
  t.strictSame(await second.stop(), { exitCode: 0, signal: null })
})

test('with a cache over Redis, one server hears of a sign-out on the other', async (t) => {
  const env = { REDIS_URL: await redisUrl(t), SESSION_CACHE: '1' }
  const [first, second] = await Promise.all([startExample(t, env), startExample(t, env)])
  const token = await checkPasted(t, first)
  for (const time of ['from the store', 'from memory']) t.equal((await second.get('/me', token)).status, 200, time)
  const { status } = await fetch(`${first.origin}/weapp/logout`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  t.equal(status, 204)
  t.equal((await first.get('/me', token)).status, 401, 'at once where it happened')
  await until('the other server refuses too', async () => (await second.get('/me', token)).status === 401)
  for (const example of [first, second]) t.strictSame(await example.stop(), { exitCode: 0, signal: null })
})

interface Outage {
  name: string
  begin (redis: RedisServer): unknown
  end (redis: RedisServer): unknown
}

const OUTAGES: Outage[] = [
  { name: 'is gone', begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
  { name: 'hangs', begin: (redis) => redis.pause(), end: (redis) => redis.resume() }
]
/** Milliseconds: far more than an answer takes, for machines that are busy. */
const SOON = 5000

for (const { name, begin, end } of OUTAGES) {
  test(`while Redis ${name}, a login is refused soon and in the shop's own words`, async (t) => {
    const redis = await startRedis(t)
    // With the cache, whose connection of its own must not keep the process alive either.
    const example = await startExample(t, { REDIS_URL: redis.url, SESSION_CACHE: '1' })
    const token = await checkPasted(t, example)
    const account = { username: 'alice', password: 'wonderland' }
    const login = async (body: object) => {
      return await example.login({ code: await example.code('alice'), ...body }, AbortSignal.timeout(SOON))
    }

    await begin(redis)
    for (const body of [{}, { account }]) {
      const refused = await login(body)
      t.equal(refused.headers.get('retry-after'), '5')
      t.strictSame(await refused.json(), {
        statusCode: 503,
        code: 'SHOP_UNAVAILABLE',
        error: 'Service Unavailable',
        message: 'The shop cannot reach its accounts. Try again.'
      })
    }

    await end(redis)
    // Not by logins, which are limited.
    await until('the server has found Redis again', async () => (await example.get('/me', token)).status !== 503)
    t.equal((await login({ account })).status, 200)
    t.equal((await login({})).status, 200, 'the account is bound again')

    await begin(redis)
    t.strictSame(await example.stop(), { exitCode: 0, signal: null }, 'it closes by itself without Redis too')
  })
}

test('what is wrong is said in one line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo

  const complaints: [env: Record<string, string>, complaint: RegExp][] = [
    [{ PORT: String(port) }, /EADDRINUSE.*Set PORT/],
    [{ PORT: 'http' }, /^PORT must be/],
    [{ WEAPP_APP_ID: 'wx0123456789abcdef' }, /WEAPP_APP_SECRET and WEAPP_SECRET/],
    [{ WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'secret' }, /WEAPP_SECRET/],
    [{ WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'secret', WEAPP_SECRET: 'short' }, /option secret must be/]
  ]
  await Promise.all(complaints.map(async ([env, complaint]) => {
    const child = spawnExample(t, env)
    child.stdout!.resume()
    const [errors, [exitCode]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
    t.equal(exitCode, 1, JSON.stringify(env))
    t.match(errors.trimEnd().split('\n'), [complaint])
    t.equal(errors.trimEnd().split('\n').length, 1)
  }))
})

test('the same digits in another country are not the same phone number', (t) => {
  const code = `
    import { accountOf, memoryBindings } from './example/accounts.js'
    for (const phoneNumber of ['+86 13900139000', '+55 13900139000', '13900139000']) {
      console.log(await accountOf('openid', { phoneNumber }, memoryBindings()).then(({ username }) => username, ({ code }) => code))
    }
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    cwd: fileURLToPath(ROOT), encoding: 'utf8', env: childEnvironment()
  })
  t.strictSame(stdout.trim().split('\n'), ['bob', 'SHOP_ACCOUNT_NOT_BOUND', 'SHOP_ACCOUNT_NOT_BOUND'], stderr)
  t.end()
})
