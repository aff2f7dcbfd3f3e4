/** Starts the example in a separate process and runs its printed lines in bash, as a new user does. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { bundledExample } from '../helpers/example.js'
import { startMariadb } from '../helpers/mysql.js'
import { startPostgres } from '../helpers/postgres.js'
import { until } from '../helpers/processes.js'
import { redisUrl, startRedis, type RedisServer } from '../helpers/redis.js'
import { sqliteFile } from '../helpers/sqlite.js'

// Processes start slowly on a busy machine.
tap.setTimeout(300_000)

const ROOT = new URL('../..', import.meta.url)
const PRINTED_LINE = /^(?:CODE|TOKEN)=|^curl /
const LINE_COUNT = 6

if (spawnSync('curl', ['--version']).status !== 0) {
  throw new Error('curl was not found. Install it, because this test runs the printed curl commands.')
}

interface Example {
  /** The printed lines. */
  lines: string[]
  origin: string
  /** Returns a code of wx.login. */
  code (user: string): Promise<string>
  /** Returns a code of the phone number button. */
  phoneCode (user: string): Promise<string>
  login (body: object, signal?: AbortSignal | null): Promise<Response>
  get (path: string, token?: string): Promise<Response>
  /** Sends SIGTERM and resolves to the outcome of the process. */
  stop (): Promise<{ exitCode: number | null, signal: string | null }>
}

const BUNDLE = [await bundledExample(tap)]
/** The command of `npm run example`. */
const WITH_TSX = ['--import', 'tsx', 'example/demo/server.ts']

function spawnExample (t: Test, env: Record<string, string>, args = BUNDLE): ChildProcess {
  const child = spawn(process.execPath, args, {
    cwd: ROOT, env: childEnvironment({ PORT: '0', ...env }), stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

async function startExample (t: Test, env: Record<string, string> = {}, args = BUNDLE): Promise<Example> {
  const child = spawnExample(t, env, args)
  const errors = text(child.stderr!)
  const ended = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout!)) {
    if (PRINTED_LINE.test(line)) lines.push(line)
    if (lines.length === LINE_COUNT) break
  }
  if (lines.length < LINE_COUNT) throw new Error(`the example did not start: ${await errors}`)
  // Keeps reading. Otherwise the server blocks when the pipe is full.
  child.stdout!.resume()

  const originOf = (line: string) => new URL(/http:[^']+/.exec(line)![0]).origin
  const [simulator, origin] = lines.slice(0, 2).map(originOf) as [string, string]
  const codeFrom = async (path: string, user: string) => {
    const { code } = await (await fetch(`${simulator}/simulator/${path}?user=${user}`)).json() as { code: string }
    return code
  }
  return {
    lines,
    origin,
    code: (user) => codeFrom('login', user),
    phoneCode: (user) => codeFrom('phone-code', user),
    login: (body, signal = null) => fetch(`${origin}/weapp/login`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal
    }),
    get (path, token) {
      return fetch(origin + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
    },
    async stop () {
      child.kill('SIGTERM')
      const [exitCode, signal] = await ended
      return { exitCode, signal }
    }
  }
}

/** Runs the lines in one bash. Resolves to the parsed output lines and to the final value of `$TOKEN`. */
async function runLines (t: Test, { lines }: Example): Promise<{ output: unknown[], token: string }> {
  const bash = spawn('bash', ['-e', '-o', 'pipefail'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { bash.kill('SIGKILL') })
  bash.stdin.end([...lines, 'echo "$TOKEN"', ''].join('\n'))
  const output = (await text(bash.stdout)).trimEnd().split('\n')
  const token = output.pop()!
  return { output: output.map((line) => JSON.parse(line)), token }
}

async function checkLines (t: Test, example: Example): Promise<string> {
  const { output, token } = await runLines(t, example)
  t.match(output, [
    { username: 'alice', name: 'Alice', openid: /^o.{27}$/, signedInAt: Number },
    [{ id: 1001, username: 'alice', productId: 1 }]
  ], 'the lines sign in with the password and with the code alone, and call both guarded routes')
  return token
}

async function refusal (response: Response): Promise<unknown> {
  const { statusCode, code } = await response.json() as { statusCode: number, code: string }
  return [response.status, statusCode, code]
}

test('example: works without other services', async (t) => {
  const example = await startExample(t, {}, WITH_TSX)
  const token = await checkLines(t, example)

  await t.test('public routes', async (t) => {
    t.equal((await example.get('/products')).status, 200)
    t.strictSame(await (await example.get('/welcome')).json(), { message: 'Welcome, guest!' })
    t.strictSame(await (await example.get('/welcome', token)).json(), { message: 'Welcome, Alice!' })
    t.strictSame(await refusal(await example.get('/me')), [401, 401, 'FST_WEAPP_TOKEN_MISSING'])
  })

  await t.test('login: refuses unbound users and wrong passwords', async (t) => {
    const refused = async (account?: object) => {
      return refusal(await example.login({ code: await example.code('mallory'), account }))
    }
    t.strictSame(await refused(), [403, 403, 'SHOP_ACCOUNT_NOT_BOUND'])
    t.strictSame(await refused({ username: 'alice', password: 'guess' }), [401, 401, 'SHOP_WRONG_PASSWORD'])
    t.strictSame(await refused({ username: 'nobody', password: 'wonderland' }), [401, 401, 'SHOP_WRONG_PASSWORD'])
    t.strictSame(await refused({ username: 'alice' }), [400, 400, 'FST_ERR_VALIDATION'])
    t.strictSame(await refused(), [403, 403, 'SHOP_ACCOUNT_NOT_BOUND'], 'a wrong password does not bind')
  })

  await t.test('login: accepts a phone code instead of a password', async (t) => {
    const phoneCode = await example.phoneCode('carol')
    const swapped = await refusal(await example.login({ code: phoneCode, phoneCode: await example.code('carol') }))
    t.strictSame(swapped, [401, 401, 'FST_WEAPP_CODE_INVALID'], 'the kinds of code are not interchangeable')
    const codes = { code: await example.code('carol'), phoneCode: await example.phoneCode('carol') }
    const bound = await example.login(codes)
    t.match(await bound.json(), { user: { username: 'alice' } }, 'the simulated number belongs to the account alice')
    t.equal((await example.login({ code: await example.code('carol') })).status, 200, 'and carol is bound to it')
  })

  await t.test('/metrics: counts logins, refusals and calls', async (t) => {
    await example.get('/me')
    const metrics = await (await example.get('/metrics')).text()
    t.match(metrics, /weapp_logins_total{outcome="ok"} [1-9]/)
    t.match(metrics, /weapp_logins_total{outcome="SHOP_WRONG_PASSWORD"} [1-9]/)
    t.match(metrics, /weapp_refusals_total{code="FST_WEAPP_TOKEN_MISSING"} [1-9]/)
    t.match(metrics, /weapp_wechat_seconds_count{path="\/sns\/jscode2session"} [1-9]/)
  })

  await t.test('/docs: lists the public API', async (t) => {
    t.equal((await example.get('/docs/')).status, 200)
    const { paths } = await (await example.get('/docs/json')).json() as { paths: object }
    t.strictSame(Object.keys(paths).sort(), [
      '/me', '/orders', '/phone-number', '/products', '/weapp/login', '/weapp/logout', '/weapp/session', '/welcome'
    ])
  })

  await t.test('login: limits the rate', async (t) => {
    const statuses = new Set<number>()
    // More than the limit per minute. The codes are invalid, so any other status than 401 comes from the limit.
    for (let i = 0; i < 21; i++) statuses.add((await example.login({ code: 'none' })).status)
    t.strictSame([...statuses], [401, 429])
    t.equal((await example.get('/me', token)).status, 200, 'the limit applies to the login only')
  })

  t.strictSame(await example.stop(), { exitCode: 0, signal: null }, 'the process exits by itself')
})

/** Returns the variable of each service in which the example can keep sessions. */
const STORAGES: Record<string, (t: Test) => Promise<Record<string, string>>> = {
  Redis: async (t) => ({ REDIS_URL: await redisUrl(t) }),
  PostgreSQL: async (t) => ({ DATABASE_URL: (await startPostgres(t)).url }),
  MariaDB: async (t) => ({ DATABASE_URL: (await startMariadb(t)).url }),
  SQLite: async (t) => ({ DATABASE_URL: `file:${sqliteFile(t)}` })
}

for (const [name, open] of Object.entries(STORAGES)) {
  test(`${name}: sessions survive a restart`, async (t) => {
    const env = await open(t)
    const first = await startExample(t, env)
    const token = await checkLines(t, first)
    const me = await (await first.get('/me', token)).json()
    t.strictSame(await first.stop(), { exitCode: 0, signal: null })

    const second = await startExample(t, env)
    const again = await second.get('/me', token)
    t.equal(again.status, 200, 'the token of the first server')
    t.strictSame(await again.json(), me)
    t.equal((await second.login({ code: await second.code('alice') })).status, 200, 'the account is still bound')
    await checkLines(t, second)
    t.strictSame(await second.stop(), { exitCode: 0, signal: null })
  })
}

test('SESSION_CACHE: a sign-out reaches other servers', async (t) => {
  const env = { REDIS_URL: await redisUrl(t), SESSION_CACHE: '1' }
  const [first, second] = await Promise.all([startExample(t, env), startExample(t, env)])
  const token = await checkLines(t, first)
  for (const source of ['from the store', 'from the cache']) {
    t.equal((await second.get('/me', token)).status, 200, source)
  }
  const { status } = await fetch(`${first.origin}/weapp/logout`, {
    method: 'POST', headers: { authorization: `Bearer ${token}` }
  })
  t.equal(status, 204)
  t.equal((await first.get('/me', token)).status, 401, 'at once on the same server')
  await until('the other server refuses the token', async () => (await second.get('/me', token)).status === 401)
  for (const example of [first, second]) t.strictSame(await example.stop(), { exitCode: 0, signal: null })
})

interface Outage {
  name: string
  begin (redis: RedisServer): unknown
  end (redis: RedisServer): unknown
}

const OUTAGES: Outage[] = [
  { name: 'is down', begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
  { name: 'hangs', begin: (redis) => redis.pause(), end: (redis) => redis.resume() }
]
/** Much longer than a response takes, for busy machines. */
const TIMEOUT_MS = 5000

for (const { name, begin, end } of OUTAGES) {
  test(`login: fails fast with SHOP_UNAVAILABLE while Redis ${name}`, async (t) => {
    const redis = await startRedis(t)
    // With the cache, whose separate connection must not keep the process alive.
    const example = await startExample(t, { REDIS_URL: redis.url, SESSION_CACHE: '1' })
    const token = await checkLines(t, example)
    const account = { username: 'alice', password: 'wonderland' }
    const login = async (body: object) => {
      return await example.login({ code: await example.code('alice'), ...body }, AbortSignal.timeout(TIMEOUT_MS))
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
    // Polls a guarded route, because logins are limited.
    await until('the server has reconnected to Redis', async () => (await example.get('/me', token)).status !== 503)
    t.equal((await login({ account })).status, 200)
    t.equal((await login({})).status, 200, 'the account is bound again')

    await begin(redis)
    t.strictSame(await example.stop(), { exitCode: 0, signal: null }, 'the process exits without Redis as well')
  })
}

test('settings: errors are printed in one line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo

  const cases: Array<[env: Record<string, string>, message: RegExp]> = [
    [{ PORT: String(port) }, /EADDRINUSE.*Set PORT/],
    [{ PORT: 'http' }, /^PORT must be/],
    [{ DATABASE_URL: 'mongodb://127.0.0.1' }, /^DATABASE_URL must begin with/],
    [{ DATABASE_URL: 'file:shop.db', REDIS_URL: 'redis://127.0.0.1' }, /^Set DATABASE_URL or REDIS_URL, not both/],
    [{ WEAPP_APP_ID: 'wx0123456789abcdef' }, /WEAPP_APP_SECRET and WEAPP_SECRET/],
    [{ WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'secret' }, /WEAPP_SECRET/],
    [
      { WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'secret', WEAPP_SECRET: 'short' }, /option secret must be/
    ]
  ]
  await Promise.all(cases.map(async ([env, message]) => {
    const child = spawnExample(t, env)
    child.stdout!.resume()
    const [errors, [exitCode]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
    t.equal(exitCode, 1, JSON.stringify(env))
    t.match(errors.trimEnd().split('\n'), [message])
    t.equal(errors.trimEnd().split('\n').length, 1)
  }))
})

test('accounts: the same digits in another country are another number', (t) => {
  const code = `
    import { accountOf } from './example/shop/accounts/accounts.js'
    import { memoryBindings } from './example/shop/accounts/bindings.js'
    for (const phoneNumber of ['+86 13900139000', '+55 13900139000', '13900139000']) {
      const account = accountOf('openid', { phoneNumber }, memoryBindings())
      console.log(await account.then(({ username }) => username, ({ code }) => code))
    }
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    cwd: fileURLToPath(ROOT), encoding: 'utf8', env: childEnvironment()
  })
  t.strictSame(stdout.trim().split('\n'), ['bob', 'SHOP_ACCOUNT_NOT_BOUND', 'SHOP_ACCOUNT_NOT_BOUND'], stderr)
  t.end()
})
