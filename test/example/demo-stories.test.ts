/** Walks every story of the demo page, in both languages, on a wide and on a narrow screen. */
import tap, { test, type Test } from 'tap'
import { NOTES, type Language } from '../fixtures/demo-notes.js'
import { LOGIN, matchLog, startDemo, visit, type DemoSetup } from '../helpers/demo.js'

// Browsers start slowly on a busy machine.
tap.setTimeout(600_000)

const demo = await startDemo(tap)
if (demo === null) {
  test('demo page', { skip: 'chromium was not found on the PATH or in CHROMIUM_PATH' }, () => {})
} else {
  testStories(demo)
  testArrows(demo)
}

function testStories (demo: DemoSetup): void {
  const sizes = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } }
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const language of ['en', 'zh'] as const satisfies Language[]) {
      test(`stories: every note in ${language} on a ${size} screen`, async (t) => {
        const locale = language === 'en' ? 'en-US' : 'zh-CN'
        const { page, result, click } = await visit(t, demo, { locale, viewport })
        const remarks = page.locator('.remark.note > p > span')
        const links = await page.locator('.stories a').evaluateAll((all) => all.map(({ id }) => id))
        t.strictSame(links, Object.keys(NOTES).map((id) => `story-${id}`), 'every story is walked')
        for (const [id, { notes, result: expected }] of Object.entries(NOTES)) {
          const log = await click(`story-${id}`)
          t.strictSame(await remarks.allInnerTexts(), notes[language], `${id}: notes`)
          t.match(await result.innerText(), expected[language], `${id}: result`)
          t.notMatch(log.join(), /undefined|null|NaN|\{\d\}/, `${id}: values`)
          t.equal(new URL(page.url()).hash, `#${id}`, `${id}: link`)
          const fits = await page.evaluate('document.documentElement.scrollWidth <= innerWidth')
          t.ok(fits, `${id}: no horizontal scrolling`)
          const wide = await page.evaluate(`[...document.querySelectorAll('.fields')]
            .filter((fields) => fields.scrollWidth > fields.clientWidth).map((fields) => fields.textContent)`)
          t.strictSame(wide, [], `${id}: values stay between their lines`)
          const last = await page.locator('.rows > :last-child').boundingBox()
          t.ok(last !== null && last.y > 0 && last.y + last.height <= viewport.height, `${id}: the last row is visible`)
        }
      })
    }
  }
}

/** Reads the events of a visitor, as the page does. Returns a function that returns what has arrived. */
async function readEvents (t: Test, { origin }: DemoSetup, visitor: string): Promise<() => string> {
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const { body } = await fetch(`${origin}/demo/events?visitor=${visitor}`, { signal: controller.signal })
  let text = ''
  const decoder = new TextDecoder()
  body!.pipeTo(new WritableStream({ write (chunk) { text += decoder.decode(chunk, { stream: true }) } })).catch(() => {})
  return () => text
}

function testArrows (demo: DemoSetup): void {
  test('login: the first visit begins with a success', async (t) => {
    const { page, result, click } = await visit(t, demo)
    t.match(await page.locator('.empty').innerText(), /Choose a story/)
    const received = await readEvents(t, demo, await page.evaluate("localStorage.getItem('demo-visitor')"))
    matchLog(t, await click('play-first'), LOGIN, 'six messages')
    t.equal(await result.innerText(), 'Welcome, Alice.')
    const stored = await page.evaluate<string>('JSON.stringify(Object.values(localStorage))')
    const token = /token\\*":\\*"([^"\\]{20,})/.exec(stored)![1]!
    for (const secret of [token, 'simulated-app-secret']) {
      t.notMatch(await page.content(), secret, 'the page shows no secret')
      t.notMatch(received(), secret, 'the page receives no secret')
    }
    t.match(received(), /jscode2session\?appid=wx\w+&secret=•••&js_code=•••/)
  })

  test('unbind: a new user is refused, and binds an account', async (t) => {
    const { click } = await visit(t, demo)
    const log = await click('story-unbind')
    matchLog(t, log, [
      ...LOGIN.slice(0, 5), /403 SHOP_ACCOUNT_NOT_BOUND/, ...LOGIN
    ], 'two logins')
    t.match(log[8], /account hidden here/)
  })

  test('phone: the access token is hidden as well', async (t) => {
    const { click } = await visit(t, demo)
    const log = await click('story-phone')
    // The server fetches an access_token only if it has none.
    t.match(log.slice(0, 3), [/getPhoneNumber$/, /code hidden here/, /phoneCode hidden here, token hidden here/])
    t.match(log.slice(-3), [
      /POST \/wxa\/business\/getuserphonenumber, access_token hidden here, code hidden here/,
      /getuserphonenumber, 200, .*purePhoneNumber 13800138000/,
      /POST \/phone-number, 200, .*purePhoneNumber 13800138000/
    ])
  })

  test('code: one refusal, one login with a new code', async (t) => {
    const { click } = await visit(t, demo)
    matchLog(t, await click('story-code'), [
      ...LOGIN.slice(2, 4),
      /200 errcode 40163/,
      /401 FST_WEAPP_CODE_USED/,
      ...LOGIN,
      /GET \/me/,
      /GET \/me, 200/
    ], 'the SDK repeats the login')
  })

  test('burst: five requests cause one login', async (t) => {
    const { click } = await visit(t, demo)
    const log = await click('story-burst')
    const count = (pattern: RegExp) => log.filter((line) => pattern.test(line)).length
    t.equal(count(/Phone → Your server: 5 × GET \/orders/), 2, 'five requests, repeated once')
    t.equal(count(/5 × GET \/orders, 401 FST_WEAPP_SESSION_EXPIRED/), 1)
    t.equal(count(/5 × GET \/orders, 200/), 1)
    t.equal(count(/Phone → WeChat: wx.login/), 1)
    t.equal(count(/Phone → Your server: POST \/weapp\/login/), 1)
  })

  test('key: a login and the repeated request', async (t) => {
    const { click } = await visit(t, demo)
    matchLog(t, await click('story-key'), [
      /getPhoneNumber$/,
      /getPhoneNumber, ok, .*encryptedData hidden here/,
      /POST \/phone-number, encryptedData hidden here, iv hidden here, token hidden here/,
      /session.decrypt: no stored session_key/,
      /409 FST_WEAPP_SESSION_KEY_STALE/,
      ...LOGIN,
      /POST \/phone-number/,
      /session.decrypt opens the data/,
      /POST \/phone-number, 200/
    ], 'the SDK recovers')
  })

  test('kick: no login and no second message, until the user signs in', async (t) => {
    const { page, result, click } = await visit(t, demo)
    matchLog(t, await click('story-kick'), [
      /GET \/me, token hidden here/, /401 FST_WEAPP_SESSION_KICKED/
    ], 'one request')
    t.match(await result.getAttribute('class'), /bad/)
    t.equal(await page.locator('.state').innerText(), 'Signed out')
    await click('who-am-i')
    t.equal(await result.innerText(), 'You are signed out. Please sign in.')
    matchLog(t, await click('sign-in'), LOGIN, 'the user signs in')
  })

  test('busy: one retry, then 503; never a 429', async (t) => {
    const { click } = await visit(t, demo)
    for (let run = 0; run < 8; run++) {
      const log = await click('story-busy')
      t.equal(log.filter((line) => /errcode -1, /.test(line)).length, 3, `run ${run}: one failure, then two`)
      t.equal(log.filter((line) => /POST \/weapp\/login, 200/.test(line)).length, 1)
      t.equal(log.filter((line) => /503 FST_WEAPP_WECHAT_UNAVAILABLE/.test(line)).length, 1)
    }
  })

  test('store: 503, and no login', async (t) => {
    const { click } = await visit(t, demo)
    const log = await click('story-store')
    t.ok(log.some((line) => /503 FST_WEAPP_STORE_UNAVAILABLE/.test(line)))
    t.notOk(log.some((line) => /wx.login/.test(line)))
  })
}
