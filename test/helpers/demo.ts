/** The demo page in a real browser. The example runs in a separate process. */
import { fileURLToPath } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'
import { childEnvironment } from './child-environment.js'
import { chromiumPath, launchChromium } from './chromium.js'
import { bundledExample } from './example.js'
import { freePort, kill, start, type Teardown } from './processes.js'

export interface DemoSetup {
  browser: Browser
  origin: string
}

/** Starts the example and Chromium. Resolves to null if there is no Chromium. */
export async function startDemo (t: Teardown): Promise<DemoSetup | null> {
  const executablePath = chromiumPath()
  if (executablePath === null) return null
  const origin = await startExample(t, await bundledExample(t))
  const browser = await launchChromium(executablePath)
  t.teardown(() => browser.close())
  return { browser, origin }
}

/** Starts the example server and resolves to its origin. */
async function startExample (t: Teardown, bundle: string): Promise<string> {
  const port = await freePort()
  const server = await start({
    command: process.execPath,
    args: [bundle],
    ready: 'curl ',
    log: 'stdout',
    options: { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: childEnvironment({ PORT: String(port) }) }
  })
  t.teardown(() => kill(server))
  return `http://127.0.0.1:${port}`
}

export interface VisitOptions {
  locale?: string
  viewport?: { width: number, height: number }
  /** @default 'instant' */
  speed?: string
  /** @default '' */
  hash?: string
}

export interface Visit {
  page: Page
  /** The result of the last tap on the phone. */
  result: Locator
  /** Clicks, waits until the action ends, and returns the messages and the work of the log, as sentences. */
  click (id: string): Promise<string[]>
  /** Waits until the action ends, and returns the messages and the work of the log, as sentences. */
  log (): Promise<string[]>
}

/** Opens the page as a new visitor. */
export async function visit (t: Test, { browser, origin }: DemoSetup, options: VisitOptions = {}): Promise<Visit> {
  const { speed = 'instant', hash = '', ...contextOptions } = options
  // Playwright waits for the end of an animation before it clicks.
  const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce', ...contextOptions })
  t.teardown(() => context.close())
  await context.addInitScript(`localStorage.getItem('demo-speed') ?? localStorage.setItem('demo-speed', '${speed}')`)
  const page = await context.newPage()
  page.on('pageerror', (error) => t.fail(`the page threw: ${error.message}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!/^data:/.test(url) && new URL(url).origin !== origin) t.fail(`an external request: ${url}`)
  })
  await page.goto(`${origin}/${hash}`)
  await page.locator('#device-A').waitFor()

  async function log (): Promise<string[]> {
    await page.locator('body:not(.busy)').waitFor()
    const lines = await page.locator('.message > .unseen, .remark.work > p').allInnerTexts()
    return lines.map((line) => line.replaceAll(/\s+/g, ' '))
  }
  return {
    page,
    result: page.locator('.result'),
    log,
    async click (id) {
      await page.locator(`#${id}`).click()
      return await log()
    }
  }
}

/** Matches each line of the log. Patterns omit times and openids, which differ in every run. */
export function matchLog (t: Test, log: string[], expected: RegExp[], message: string): void {
  t.equal(log.length, expected.length, `${message}: number of lines in ${JSON.stringify(log, null, 1)}`)
  expected.forEach((line, index) => t.match(log[index], line, message))
}

/** The log of a login. */
export const LOGIN = [
  /^Phone → WeChat: wx.login$/,
  /^WeChat → Phone: wx.login, ok, .* ms, code hidden here$/,
  /^Phone → Your server: POST \/weapp\/login, .*code hidden here/,
  /^Your server → WeChat: GET \/sns\/jscode2session, .*secret hidden here, js_code hidden here$/,
  /^WeChat → Your server: GET \/sns\/jscode2session, 200, .* ms, .*session_key hidden here/,
  /^Your server The session is stored: session_key \S+… sealed$/,
  /^Your server → Phone: POST \/weapp\/login, 200, .* ms, .*token hidden here, expiresIn 30 days/
]
