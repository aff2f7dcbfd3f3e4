/** Tests the demo page in a real browser with the real client SDK. The example runs in a separate process. */
import { fileURLToPath } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import tap, { test, type Test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { chromiumPath, launchChromium } from '../helpers/chromium.js'
import { bundledExample } from '../helpers/example.js'
import { freePort, kill, start } from '../helpers/processes.js'

// Browsers start slowly on a busy machine.
tap.setTimeout(300_000)

const executablePath = chromiumPath()

if (executablePath === null) {
  test('demo page', { skip: 'chromium was not found on the PATH or in CHROMIUM_PATH' }, () => {})
} else {
  const origin = await startExample(await bundledExample(tap))
  const browser = await launchChromium(executablePath)
  tap.teardown(() => browser.close())
  testSignIn(browser, origin)
  testTroubles(browser, origin)
}

/** Starts the example server and resolves to its origin. */
async function startExample (bundle: string): Promise<string> {
  const port = await freePort()
  const server = await start({
    command: process.execPath,
    args: [bundle],
    ready: 'curl ',
    log: 'stdout',
    options: { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: childEnvironment({ PORT: String(port) }) }
  })
  tap.teardown(() => kill(server))
  return `http://127.0.0.1:${port}`
}

interface Visit {
  page: Page
  /** The result of the last tap on the phone. */
  result: Locator
  /** Clicks, waits until the action ends, and returns the sentences that it added to the log. */
  click (id: string): Promise<string[]>
}

async function visit (t: Test, browser: Browser, origin: string, options: object = {}): Promise<Visit> {
  // Playwright waits for the end of an animation before it clicks.
  const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce', ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', (error) => t.fail(`the page threw: ${error.message}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!/^data:/.test(url) && new URL(url).origin !== origin) t.fail(`an external request: ${url}`)
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
  t.equal(await visitor.result.innerText(), 'Welcome, Alice.')
  return visitor
}

/** Matches each line of the log. Patterns omit times and openids, which differ in every run. */
function matchLog (t: Test, log: string[], expected: RegExp[], message: string): void {
  t.equal(log.length, expected.length, `${message}: number of lines in ${JSON.stringify(log, null, 1)}`)
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

function testSignIn (browser: Browser, origin: string): void {
  test('sign-in: binds an account, then the code alone is enough', async (t) => {
    const { page, result, click } = await visit(t, browser, origin)

    matchLog(t, await click('sign-in'), LOGIN, 'the first sign-in succeeds')
    t.equal(await result.innerText(), 'Welcome, Alice.')

    const unbound = await click('trouble-unbind')
    t.match(unbound.at(-2), /403, SHOP ACCOUNT NOT BOUND/)
    t.match(unbound.at(-1), /onLogin refused/)
    t.match(await result.innerText(), /Not bound/)
    await page.locator('#password').fill('guess')
    await click('bind')
    t.equal(await result.innerText(), 'The username or the password is wrong.')
    const bound = await click('bind')
    t.match(bound[2], /account sealed/)
    matchLog(t, bound, LOGIN, 'with the password')
    t.equal(await result.innerText(), 'Welcome, Alice.')
    t.equal(await page.locator(':focus').getAttribute('id'), 'who-am-i', 'the focus stays on the phone')
    await click('sign-out')
    t.match(await result.innerText(), /^Signed out/)
    matchLog(t, await click('sign-in'), LOGIN, 'with the code alone')

    await click('who-am-i')
    t.match(await result.innerText(), /^You are Alice/)
    await click('by-data')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
    const byCode = await click('by-code')
    t.match(byCode, [/getPhoneNumber/, /code sealed/, /phoneCode sealed/, /./, /access_token sealed/],
      'the access token is sealed as well')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
    const token = await page.evaluate<string>("JSON.parse(localStorage.getItem('phone-A-session')).token")
    t.notMatch(await page.content(), token, 'the page does not contain the token')

    await page.locator('#device-B').click()
    await click('sign-in')
    await click('my-devices')
    const devices = await page.locator('.devices li')
      .evaluateAll((items) => items.map((item) => item.firstChild!.textContent))
    t.strictSame(devices, ['another phone', 'this phone'])
    await click('sign-out-all')
    await page.locator('#device-A').click()
    await click('who-am-i')
    t.match(await result.innerText(), /FST_WEAPP_SESSION_REVOKED/, 'signed out everywhere')
  })

  test('expired session_key: the SDK recovers', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    await click('by-data')
    const log = await click('trouble-key')
    matchLog(t, log.slice(log.findIndex((line) => /dies/.test(line))), [
      /^WeChat:\s+The session_key dies/,
      /getPhoneNumber$/,
      /getPhoneNumber, ok, .*encryptedData sealed/,
      /POST \/phone-number, encryptedData sealed, iv sealed, token sealed/,
      /session.decrypt: no key/,
      /409, SESSION KEY STALE/,
      ...LOGIN,
      /POST \/phone-number/,
      /session.decrypt opened it/,
      /POST \/phone-number, 200/,
      /one tap was enough/
    ], 'a login and the repeated request')
    t.equal(await result.innerText(), 'Your number is 13800138000.')
  })

  test('used code: the SDK signs in with a new code', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-code')
    matchLog(t, log.slice(LOGIN.length), [
      /sends the code of before/,
      ...LOGIN.slice(2, 4),
      /200, errcode 40163/,
      /401, CODE USED/,
      ...LOGIN,
      /The server refused the used code. The SDK called wx.login once more/,
      /GET \/me/,
      /GET \/me, 200/
    ], 'one refusal, one login')
    t.match(await result.innerText(), /^You are Alice/, 'the session is still valid')
  })

  test('kicked device: stays signed out until the user signs in', async (t) => {
    const { page, result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-kick')
    t.notMatch(log.join(), /undefined/)
    matchLog(t, log, [
      /sessions.revoke/,
      /GET \/me, token sealed/,
      /401, SESSION KICKED/,
      /onSignedOut/,
      /nothing was sent/
    ], 'no login and no second message')
    t.equal(await result.innerText(), 'The shop signed this phone out (FST_WEAPP_SESSION_KICKED).')
    t.match(await result.getAttribute('class'), /bad/)
    t.equal(await page.locator('.state').innerText(), 'Signed out')
    matchLog(t, await click('sign-in'), LOGIN, 'the user signs in')
  })
}

function testTroubles (browser: Browser, origin: string): void {
  test('expired session: five requests cause one login', async (t) => {
    const { click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-burst')
    const count = (pattern: RegExp) => log.filter((line) => pattern.test(line)).length
    t.equal(count(/Phone → Your server: 5 × GET \/orders/), 2, 'five requests, repeated once')
    t.equal(count(/5 × GET \/orders, 401, SESSION EXPIRED/), 1)
    t.equal(count(/5 × GET \/orders, 200/), 1)
    t.equal(count(/Phone → WeChat: wx.login/), 1)
    t.equal(count(/Phone → Your server: POST \/weapp\/login/), 1)
    t.match(log.at(-1), /signed in 1×/)
  })

  test('busy WeChat: one retry, then 503', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-busy')
    t.equal(log.filter((line) => /errcode -1/.test(line)).length, 3, 'one failure, then two')
    t.equal(log.filter((line) => /POST \/weapp\/login, 200/.test(line)).length, 1, 'the retry of the server succeeds')
    t.equal(log.filter((line) => /503, WECHAT UNAVAILABLE/.test(line)).length, 1, 'the server gives up after one retry')
    t.ok(log.some((line) => /Retry-After 5 s/.test(line)))
    t.match(await result.innerText(), /^You are Alice/, 'the session is still valid')
  })

  test('store failure: 503, and the token stays valid', async (t) => {
    const { result, click } = await visitSignedIn(t, browser, origin)
    const log = await click('trouble-store')
    t.ok(log.some((line) => /503, STORE UNAVAILABLE/.test(line)))
    t.notOk(log.some((line) => /wx.login/.test(line)), 'no login')
    t.match(await result.innerText(), /^You are Alice/)
  })

  test('sign-out: impossible while nobody is signed in', async (t) => {
    const { page, result, click } = await visit(t, browser, origin)
    for (const id of ['sign-out', 'sign-out-all']) t.ok(await page.locator(`#${id}`).isDisabled(), id)
    await click('sign-in')
    t.ok(await page.locator('#sign-in').isDisabled())
    await page.locator('#language').click()
    t.equal(await result.innerText(), '欢迎，Alice。', 'the language switch keeps the result')
  })

  for (const locale of ['en-US', 'zh-CN']) {
    test(`troubles: never limited, and without an undefined value (${locale})`, async (t) => {
      const { result, click } = await visit(t, browser, origin, { locale })
      for (let run = 0; run < 8; run++) {
        const log = await click('trouble-busy')
        t.notMatch(log.join(), /429/, `run ${run}`)
      }
      for (const id of ['key', 'code', 'kick', 'busy', 'store', 'burst', 'unbind']) {
        t.notMatch([...await click(`trouble-${id}`), await result.innerText()].join(), /undefined|null|NaN/, id)
      }
    })
  }

  test('trouble: signs in first, and the session survives a reload', async (t) => {
    const { page, result, click } = await visit(t, browser, origin)
    await click('trouble-store')
    t.match(await result.innerText(), /^You are Alice/)
    await page.reload()
    await page.locator('.message > .unseen')
      .filter({ hasText: 'WeChat → Phone: wx.checkSession, ok' }).waitFor({ state: 'attached' })
    await page.locator('body:not(.busy)').waitFor()
    t.equal(await result.innerText(), 'Welcome, Alice.')
  })

  test('accessibility: Chinese, a narrow screen, and keyboard only', async (t) => {
    const { page, result } = await visit(t, browser, origin, { locale: 'zh-CN', viewport: { width: 360, height: 740 } })
    t.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    t.equal(await page.locator('#sign-in').innerText(), '登录')
    await page.locator('#sign-in').focus()
    await page.keyboard.press('Enter')
    await result.filter({ hasText: '欢迎，Alice。' }).waitFor()
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'no horizontal scrolling')
    await page.locator('#language').focus()
    await page.keyboard.press('Enter')
    t.equal(await page.locator('html').getAttribute('lang'), 'en')
    t.equal(await page.locator(':focus').getAttribute('id'), 'language', 'the button keeps the focus')
    const unnamed = await page.evaluate(`[...document.querySelectorAll('button, input, a')]
      .filter((element) => element.textContent === '' && element.labels?.length !== 1).length`)
    t.equal(unnamed, 0, 'every control has a name')
  })
}
