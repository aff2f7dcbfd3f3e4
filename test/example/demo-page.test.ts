/** Tests the parts of the demo page: the phone, the player, the inspector and the switches. */
import tap, { test } from 'tap'
import { LOGIN, matchLog, startDemo, visit, type DemoSetup } from '../helpers/demo.js'

// Browsers start slowly on a busy machine.
tap.setTimeout(600_000)

const demo = await startDemo(tap)
if (demo === null) {
  test('demo page', { skip: 'chromium was not found on the PATH or in CHROMIUM_PATH' }, () => {})
} else {
  testPhone(demo)
  testPage(demo)
}

function testPhone (demo: DemoSetup): void {
  test('phone: signs in, shows the user, the number and the devices, and signs out', async (t) => {
    const { page, result, click } = await visit(t, demo)
    for (const id of ['sign-out', 'sign-out-all']) t.ok(await page.locator(`#${id}`).isDisabled(), id)
    matchLog(t, await click('sign-in'), LOGIN, 'the code is enough')
    t.equal(await page.locator(':focus').getAttribute('id'), 'who-am-i', 'the focus stays on the phone')
    await click('who-am-i')
    t.match(await result.innerText(), /^You are Alice/)
    for (const id of ['by-data', 'by-code']) {
      await click(id)
      t.equal(await result.innerText(), 'Your number is 13800138000.', id)
    }

    await page.locator('#device-B').click()
    await click('sign-in')
    await click('my-devices')
    const devices = await page.locator('.devices li')
      .evaluateAll((items) => items.map((item) => item.firstChild!.textContent))
    t.strictSame(devices, ['another phone', 'this phone'])
    await click('sign-out-all')
    t.equal(await result.innerText(), 'Signed out on every device.')
    await page.locator('#device-A').click()
    await click('who-am-i')
    t.equal(await result.innerText(), 'The shop signed you out. Please sign in again.')
    t.ok(await page.locator('#sign-out').isDisabled())
  })

  test('phone: a new user binds an account with the form', async (t) => {
    const { page, result, click } = await visit(t, demo)
    await click('sign-in')
    await click('sign-out')
    await page.evaluate(`fetch('/demo/trouble/unbind', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ visitor: localStorage.getItem('demo-visitor') })
    })`)
    await click('sign-in')
    t.match(await result.innerText(), /Not bound/)
    t.equal(await page.locator(':focus').getAttribute('id'), 'username', 'the next input has the focus')
    await page.locator('#password').fill('guess')
    await click('bind')
    t.equal(await result.innerText(), 'The username or the password is wrong.')
    await click('bind-by-phone')
    t.equal(await result.innerText(), 'Welcome, Alice.')
  })

  test('phone: the session survives a reload', async (t) => {
    const { page, result, click, log } = await visit(t, demo)
    await click('sign-in')
    await page.reload()
    await page.locator('.message').first().waitFor()
    t.match(await log(), [/wx.checkSession$/, /wx.checkSession, ok/])
    t.equal(await result.innerText(), 'Welcome, Alice.')
  })
}

function testPage (demo: DemoSetup): void {
  test('player: plays, pauses, steps, goes back and replays', async (t) => {
    const { page } = await visit(t, demo, { speed: 'slow', hash: '#me' })
    const progress = page.locator('.progress')
    const rows = page.locator('.rows > li')
    await progress.filter({ hasText: '/ 3' }).waitFor()
    await page.locator('#play').click()
    while (await page.locator('#back').isEnabled()) await page.locator('#back').click()
    t.equal(await progress.innerText(), '0 / 3')
    t.equal(await page.locator('.result').innerText(), '…', 'the phone shows no result yet')
    await page.locator('#step').click()
    t.equal(await progress.innerText(), '1 / 3')
    t.match(await rows.allInnerTexts(), [/GET \/me/])
    await page.locator('.diagram').focus()
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    t.equal(await progress.innerText(), '3 / 3')
    t.match(await page.locator('.result').innerText(), /^You are Alice/, 'the phone shows the result at the end')
    await page.keyboard.press('ArrowLeft')
    t.equal(await progress.innerText(), '2 / 3')
    await page.locator('#speed').selectOption('fast')
    await page.locator('#replay').click()
    await progress.filter({ hasText: '3 / 3' }).waitFor()
    t.ok(await page.locator('#step').isDisabled())
    await page.locator('#speed').selectOption('slow')
    t.equal(await progress.innerText(), '3 / 3', 'another speed does not replay')
  })

  test('inspector: an arrow opens to headers, body and code', async (t) => {
    const { page, click } = await visit(t, demo, { viewport: { width: 1280, height: 800 } })
    await click('story-login')
    const inspector = page.locator('.inspector')
    await page.locator('.message .title', { hasText: 'POST /weapp/login' }).press('Enter')
    t.match(await inspector.innerText(), /POST \/weapp\/login[^]*content-type[^]*"code": *hidden here/)
    t.match(await inspector.locator('.code.sdkCode').innerText(), /client\.login\(extra\)/)
    t.match(await inspector.locator('.code.serverCode').innerText(), /await app\.register\(weapp, \{/)
    await page.locator('.message .pill').last().click()
    t.match(await inspector.innerText(), /HTTP 200[^]*cache-control\s+no-store[^]*"token": *hidden here/)
    await page.locator('.message .title', { hasText: 'jscode2session' }).click()
    t.match(await inspector.innerText(), /secret=hidden here&js_code=hidden here/)

    await click('story-kick')
    await page.locator('.refused .pill').click()
    const code = 'FST_WEAPP_SESSION_KICKED'
    t.match(await inspector.innerText(), new RegExp(`HTTP 401[^]*weapp-error\\s+${code}[^]*"code": "${code}"`))

    t.equal(await inspector.locator('[data-term=code]').count(), 0, 'the code of an error is not the code of wx.login')

    await page.setViewportSize({ width: 390, height: 844 })
    await page.locator('.message .title').first().click()
    t.ok(await page.locator('.message .inspector').isVisible(), 'below the arrow on a narrow screen')
    await page.locator('.remark.note p').last().click()
    t.equal(await page.locator('.message.selected .inspector').count(), 1, 'a note without code opens nothing')
  })

  test('inspector: the highlighted row is the one that it shows', async (t) => {
    const { page, click } = await visit(t, demo)
    await click('story-login')
    t.match(await page.locator('.inspector h2').innerText(), 'Your server → Phone')
    t.match(await page.locator('.selected > .unseen').innerText(), /^Your server → Phone: POST/)
  })

  test('inspector: the keyboard opens the code of notes and of work', async (t) => {
    const { page, click } = await visit(t, demo)
    await click('story-login')
    await page.locator('.remark.work button').press('Enter')
    t.match(await page.locator('.inspector .serverCode').innerText(), /app\.decorate\('sessionStore'/)
    await click('story-kick')
    await page.locator('.remark.note button').first().press('Enter')
    t.match(await page.locator('.inspector .serverCode').innerText(), /sessions\.revoke/)
    t.equal(await page.locator('.remark.note button').count(), 2, 'the last note has no code')
  })

  test('stories: the link keeps the focus', async (t) => {
    const { page, log } = await visit(t, demo)
    await page.locator('#story-me').press('Enter')
    await log()
    t.equal(await page.locator(':focus').getAttribute('id'), 'story-me')
  })

  test('padlock: only for the sealed session_key', async (t) => {
    const { page, click } = await visit(t, demo)
    await click('story-login')
    t.equal(await page.locator('.rows .sealed').count(), 1)
    t.match(await page.locator('.rows .sealed').innerText(), /^session_key \S+… sealed$/)
  })

  test('glossary: on hover and on focus, until Escape', async (t) => {
    const { page, click } = await visit(t, demo)
    await click('story-login')
    const tooltip = page.locator('#tooltip')
    await page.locator('.rows [data-term=openid]').hover()
    t.match(await tooltip.innerText(), /^openid Identifies a user within one Mini Program/)
    await page.locator('.rows [data-term=session_key]').first().focus()
    t.match(await tooltip.innerText(), /^session_key Decrypts/)
    await page.locator('.rows [data-term=js_code]').click()
    t.match(await tooltip.innerText(), /^js_code/)
    t.equal(await page.locator('.selected [data-term=js_code]').count(), 0, 'the name opens no message')
    await page.keyboard.press('Escape')
    t.notOk(await tooltip.isVisible())
  })

  test('switches: language and theme keep the result, and survive a reload', async (t) => {
    const { page, result, click } = await visit(t, demo)
    await click('story-me')
    const scheme = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const light = await scheme()
    await page.locator('#language').click()
    t.match(await result.innerText(), /^你是 Alice/)
    t.match(await result.innerText(), /登录于 \d\d:\d\d:\d\d。$/, 'times follow the language of the page')
    t.match(await page.title(), /微信登录/)
    t.equal(await page.locator(':focus').getAttribute('id'), 'language', 'the button keeps the focus')
    await page.locator('#theme').click()
    await page.locator('#theme').click()
    t.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
    t.not(await scheme(), light)
    await page.reload()
    await page.locator('.message').first().waitFor()
    t.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    t.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
  })

  test('links: a hash plays its story', async (t) => {
    const { page, log } = await visit(t, demo, { hash: '#kick' })
    await page.locator('.refused').waitFor()
    t.ok((await log()).some((line) => /FST_WEAPP_SESSION_KICKED/.test(line)))
    await page.evaluate("location.hash = '#store'")
    await page.locator('.refused', { hasText: 'STORE_UNAVAILABLE' }).waitFor()
    await log()
    await page.evaluate("location.hash = '#nothing'")
    t.equal(await page.locator('#messages-title').innerText(), 'Store fails and comes back')
  })

  test('accessibility: Chinese, a narrow screen, and keyboard only', async (t) => {
    const { page, result } = await visit(t, demo, { locale: 'zh-CN', viewport: { width: 360, height: 740 } })
    t.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    await page.locator('#sign-in').focus()
    await page.keyboard.press('Enter')
    await result.filter({ hasText: '欢迎，Alice。' }).waitFor()
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'no horizontal scrolling')
    const top = (await page.locator('.messages').boundingBox())!.y
    t.ok(top < 740 / 2, 'the messages come into view')
    const unnamed = await page.evaluate(`[...document.querySelectorAll('button, input, a, select')]
      .filter((element) => element.textContent === '' && !element.ariaLabel && element.labels?.length !== 1).length`)
    t.equal(unnamed, 0, 'every control has a name')
  })
}
