/** The demo page as a visitor meets it: a real browser, the example in a process of its own, the real client SDK. */
import { fileURLToPath } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import tap, { test, type Test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { chromiumPath, launchChromium } from '../helpers/chromium.js'
import { freePort, kill, start } from '../helpers/processes.js'

// Browsers start slowly where much else runs.
tap.setTimeout(300_000)

const executablePath = chromiumPath()

if (executablePath === null) {
  test('the demo page', { skip: 'there is no chromium on the PATH or in CHROMIUM_PATH' }, () => {})
} else {
  // Two, or the walk would meet the limit of 20 logins in a minute.
  const [first, second] = await Promise.all([startExample(), startExample()])
  const browser = await launchChromium(executablePath)
  tap.teardown(() => browser.close())
  await walkThrough(browser, first)
  await walkFurther(browser, second)
}

/** Resolves to its origin. */
async function startExample (): Promise<string> {
  const port = await freePort()
  const server = await start({
    command: process.execPath,
    args: ['--import', 'tsx', 'example/server.ts'],
    ready: 'curl ',
    log: 'stdout',
    options: { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: childEnvironment({ PORT: String(port) }) }
  })
  tap.teardown(() => kill(server))
  return `http://127.0.0.1:${port}`
}

interface Visit {
  page: Page
  /** What the phone shows of the last tap. */
  result: Locator
  /** Clicks, waits until all has happened, and gives the sentences that were added to the log. */
  click (id: string): Promise<string[]>
}

async function visit (t: Test, browser: Browser, origin: string, options: object = {}): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en-US', ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', (error) => t.fail(`the page threw: ${error.message}`))
  page.on('request', (request) => {
    if (!/^data:/.test(request.url()) && new URL(request.url()).origin !== origin) t.fail(`an external request: ${request.url()}`)
  })
  await page.goto(origin)
  await page.locator('#sign-in').waitFor()
  return {
    page,
    result: page.locator('.result'),
    async click (id) {
      await page.locator('#clear').click()
      await page.locator(`#${id}`).click()
      await page.locator('body:not(.busy)').waitFor()
      return await page.locator('.message > .unseen, .remark').allInnerTexts()
    }
  }
}

async function visitSignedIn (t: Test, browser: Browser, origin: string): Promise<Visit> {
  const visitor = await visit(t, browser, origin)
  await visitor.click('sign-in')
  await visitor.click('bind')
  t.equal(await visitor.result.innerText(), 'Welcome, Alice.')
  return visitor
}

/** The log without what differs from run to run: times, and openids. */
function matches (t: Test, log: string[], expected: RegExp[], message: string): void {
  t.equal(log.length, expected.length, `${message}: so many lines, ${JSON.stringify(log, null, 1)}`)
  expected.forEach((line, index) => t.match(log[index], line, message))
}

const LOGIN = [
  /^Phone → WeChat: wx.login$/,
  /^WeChat → Phone: wx.login, ok, .* ms, code sealed$/,
  /^Phone → Your server: POST \/weapp\/login, .*code sealed/,
  /^Your server → WeChat: GET \/sns\/jscode2session, .*secret sealed, js_code sealed$/,
  /^WeChat → Your server: GET \/sns\/jscode2session, 200, .* ms, .*session_key sealed/,
  /^Your server → Phone: POST \/weapp\/login, 200, .* ms, .*token sealed/
]

async function walkThrough (browser: Browser, origin: string): Promise<void> {
  test('sign-in', async (t) => {
    const { page, result, click } = await visit(t, browser, origin)

    const stranger = await click('sign-in')
    t.match(stranger.at(-2), /403, SHOP ACCOUNT NOT BOUND/)
    t.match(await result.innerText(), /Not bound/)
    t.equal(await page.locator(':focus').getAttribute('id'), 'username', 'the focus goes where the next step is')
    await page.locator('#password').fill('guess')
    await click('bind')
    t.equal(await result.innerText(), 'The username or the password is wrong.')
    const bound = await click('bind')
    t.match(bound[2], /account sealed/)
    matches(t, bound, LOGIN, 'with the password')
    t.equal(await result.innerText(), 'Welcome, Alice.')
    matches(t, await click('sign-in'), LOGIN, 'with the code alone')

    await click('who-am-i')
    t.match(await result.innerText(), /^You are Alice/)
    await click('by-data')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
    t.match(await click('by-code'), [/getPhoneNumber/, /code sealed/, /phoneCode sealed/, /./, /access_token sealed/],
      'the access token is sealed as well')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
    t.notMatch(await page.content(), await page.evaluate<string>("JSON.parse(localStorage.getItem('phone-A-session')).token"),
      'no token is in the page')

    await page.locator('#device-B').click()
    await click('sign-in')
    await click('my-devices')
    t.strictSame(await page.locator('.devices li').evaluateAll((items) => items.map((item) => item.firstChild!.textContent)),
      ['another phone', 'this phone'])
    await click('sign-out-all')
    await page.locator('#device-A').click()
    await click('who-am-i')
    t.match(await result.innerText(), /FST_WEAPP_SESSION_REVOKED/, 'signed out everywhere')
  })

  test('a dead session_key heals by itself', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    await click('by-data')
    const log = await click('trouble-key')
    matches(t, log.slice(log.findIndex((line) => /dies/.test(line))), [
      /^WeChat:\s+The session_key dies/,
      /getPhoneNumber$/,
      /getPhoneNumber, ok, .*encryptedData sealed/,
      /POST \/demo\/phone-number, encryptedData sealed, iv sealed, token sealed/,
      /session.decrypt: no key/,
      /409, SESSION KEY STALE/,
      ...LOGIN,
      /POST \/demo\/phone-number/,
      /session.decrypt opened it/,
      /POST \/demo\/phone-number, 200/,
      /one tap was enough/
    ], 'a login, and the same request again')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
  })

  test('a code that is used twice', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-code')
    t.equal(log.filter((line) => /errcode 40163/.test(line)).length, 1, 'it is not tried again')
    t.ok(log.some((line) => /401, CODE USED/.test(line)))
    t.match(await result.innerText(), /^You are Alice/, 'who was signed in still is')
  })

  test('a kicked device stays out', async (t) => {
    const { page, result, click } = await visitSignedIn(t, browser, origin)
    matches(t, await click('trouble-kick'), [
      /sessions.revoke/,
      /GET \/me, token sealed/,
      /401, SESSION KICKED/,
      /onSignedOut/,
      /nothing was sent/
    ], 'no login, and no second message')
    t.match(await result.innerText(), /FST_WEAPP_SESSION_KICKED/)
    t.equal(await page.locator('.state').innerText(), 'Signed out')
    matches(t, await click('sign-in'), LOGIN, 'until its user signs in')
  })
}

async function walkFurther (browser: Browser, origin: string): Promise<void> {
  test('a burst of requests meets an expired session: one login', async (t) => {
    const { click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-burst')
    const count = (pattern: RegExp) => log.filter((line) => pattern.test(line)).length
    t.equal(count(/Phone → Your server: 5 × GET \/orders/), 2, 'five requests, and again')
    t.equal(count(/5 × GET \/orders, 401, SESSION EXPIRED/), 1)
    t.equal(count(/5 × GET \/orders, 200/), 1)
    t.equal(count(/Phone → WeChat: wx.login/), 1)
    t.equal(count(/Phone → Your server: POST \/weapp\/login/), 1)
    t.match(log.at(-1), /signed in 1×/)
  })

  test('WeChat is busy', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-busy')
    t.equal(log.filter((line) => /errcode -1/.test(line)).length, 3, 'once, and then twice')
    t.equal(log.filter((line) => /POST \/weapp\/login, 200/.test(line)).length, 1, 'the server asked again by itself')
    t.equal(log.filter((line) => /503, WECHAT UNAVAILABLE/.test(line)).length, 1, 'or gave up')
    t.ok(log.some((line) => /Retry-After 5 s/.test(line)))
    t.match(await result.innerText(), /^You are Alice/, 'who was signed in still is')
  })

  test('the store is down', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-store')
    t.ok(log.some((line) => /503, STORE UNAVAILABLE/.test(line)))
    t.notOk(log.some((line) => /wx.login/.test(line)), 'nobody is signed in anew')
    t.match(await result.innerText(), /^You are Alice/)
  })

  test('a trouble before anything else signs in first; a reload is the next launch', async (t) => {
    const { page, result, click } = await visit(t, browser, origin)
    await click('trouble-store')
    t.match(await result.innerText(), /^You are Alice/)
    await page.reload()
    await page.locator('.message > .unseen').filter({ hasText: 'WeChat → Phone: wx.checkSession, ok' }).waitFor({ state: 'attached' })
    await page.locator('body:not(.busy)').waitFor()
    t.equal(await result.innerText(), 'Welcome, Alice.')
  })

  test('Chinese, a narrow screen, and the keyboard alone', async (t) => {
    const { page, result } = await visit(t, browser, origin, { locale: 'zh-CN', viewport: { width: 360, height: 740 } })
    t.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    t.equal(await page.locator('#sign-in').innerText(), '登录')
    await page.locator('#sign-in').focus()
    await page.keyboard.press('Enter')
    await page.locator('#username:focus').waitFor()
    await page.keyboard.press('Enter')
    await result.filter({ hasText: '欢迎，Alice。' }).waitFor()
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing sticks out')
    await page.locator('#language').focus()
    await page.keyboard.press('Enter')
    t.equal(await page.locator('html').getAttribute('lang'), 'en')
    t.equal(await page.locator(':focus').getAttribute('id'), 'language', 'the focus stays')
    const unnamed = await page.evaluate(`[...document.querySelectorAll('button, input, a')]
      .filter((element) => element.textContent === '' && element.labels?.length !== 1).length`)
    t.equal(unnamed, 0, 'everything has a name')
  })
}
