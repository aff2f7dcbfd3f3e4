/** The entry point of the page. Creates its parts and handles the taps. */
import type { WeappClientError } from 'fastify-weapp/client'
import { createDiagram } from './diagram.js'
import { button, h } from './dom.js'
import { createHandset, phoneNumber, signIn, type Handset } from './handsets.js'
import { createScreen } from './screen.js'
import { openEventStream } from './event-stream.js'
import { me, TROUBLES, type Trouble } from './troubles.js'
import { resetVisitor, visitor as readVisitor } from './visitor.js'
import { currentLanguage, text, translate, toggleLanguage, type Text, type TextKey } from './texts.js'

/** The account that a trouble binds if the visitor has not bound one. */
const ACCOUNT = { username: 'alice', password: 'wonderland' }

const visitor = readVisitor()
const diagram = createDiagram()
const events = openEventStream(visitor, diagram.show)
const handsets = new Map(['A', 'B'].map((device) => [device, createHandset(visitor, device, events, () => {})]))
let handset = handsets.get('A') as Handset
let isBusy = false

const screen = createScreen({
  switchTo (device) {
    handset = handsets.get(device) as Handset
    screen.showResult(null)
    renderScreen()
  },
  signIn: () => act('signIn', async () => text('result.welcome', await signIn(handset))),
  bind: (username, password) => act('bind', async () => {
    return text('result.welcome', await signIn(handset, { account: { username, password } }))
  }),
  bindByPhone: () => act('bindByPhone', async () => {
    const { code } = await handset.phone.tapPhoneNumber('phoneCode')
    return text('result.welcome', await signIn(handset, { phoneCode: code }))
  }),
  whoAmI: () => act('whoAmI', () => me(handset)),
  phoneNumber: (as) => act('phoneNumber', async () => text('result.phone', await phoneNumber(handset, as))),
  myDevices: () => act('myDevices', async () => {
    handset.devices = (await handset.client.session()).sessions
    return null
  }),
  signOut: (all) => act(all ? 'signOutAll' : 'signOut', async () => {
    await handset.client.logout({ all })
    return text(all ? 'result.outAll' : 'result.out')
  })
})

/** Runs one action as a chapter of the diagram and shows its result on the phone. Ignores taps during an action. */
async function act (textKey: TextKey, action: () => Promise<Text | null>): Promise<void> {
  if (isBusy) return
  isBusy = true
  document.body.classList.add('busy')
  diagram.chapter(textKey, handset.device)
  if (textKey !== 'myDevices') handset.devices = null
  screen.showResult(text('result.pending'))
  try {
    await events.ready
    screen.showResult(await action())
  } catch (error) {
    showError(error as WeappClientError)
  }
  isBusy = false
  document.body.classList.remove('busy')
  renderScreen()
}

function showError ({ code, statusCode, message }: WeappClientError): void {
  if (code === 'SHOP_ACCOUNT_NOT_BOUND') {
    handset.isBinding = true
    diagram.note('server', 'note.unbound')
    screen.showResult(text('result.bind'), true)
  } else if (code === 'SHOP_WRONG_PASSWORD') screen.showResult(text('result.wrongPassword'), true)
  else if (/^FST_WEAPP_SESSION_(REVOKED|KICKED|REPLACED)$/.test(code)) {
    // An error without a status comes from the SDK, which sent no request.
    const isLocal = statusCode === undefined
    screen.showResult(isLocal ? text('result.signInRequired') : text('result.signedOutBecause', code), true)
  } else screen.showResult(text('result.error', code ?? message), true)
}

/** Runs a trouble. Signs in first if necessary, because troubles require a signed-in phone. */
async function runTrouble (trouble: Trouble): Promise<Text> {
  if (handset.client.token === null) {
    diagram.note('phone', 'prepare')
    await signIn(handset, handset.isBinding ? { account: ACCOUNT } : undefined)
  }
  return await trouble.run({ visitor, handset, diagram })
}

const header = h('header')
const troubles = h('section', { class: 'troubles', 'aria-labelledby': 'troubles-title' })
const messages = h('section', { class: 'messages', id: 'messages', 'aria-labelledby': 'messages-title' })
const toMessages = h('a', { class: 'to-messages', href: '#messages' })

function renderScreen (): void {
  screen.render(handset.state())
}

function render (): void {
  document.documentElement.lang = currentLanguage() === 'zh' ? 'zh-CN' : 'en'
  header.replaceChildren(
    h('div', {}, h('h1', {}, translate('title')), h('p', {}, translate('lead'))),
    h('div', { class: 'tools' },
      button(translate('startOver'), () => {
        resetVisitor()
        location.reload()
      }, { id: 'start-over' }),
      button(translate('language'), () => {
        toggleLanguage()
        render()
        document.getElementById('language')?.focus()
      }, { id: 'language', lang: currentLanguage() === 'zh' ? 'en' : 'zh-CN' })))
  troubles.replaceChildren(
    h('h2', { id: 'troubles-title' }, translate('troubles')),
    h('div', { class: 'grid' }, ...TROUBLES.map((trouble) => {
      const run = () => act(trouble.textKey, () => runTrouble(trouble))
      const element = button(translate(trouble.textKey), run, { id: `trouble-${trouble.id}` })
      element.append(h('small', {}, translate(trouble.hint)))
      return element
    })))
  messages.replaceChildren(
    h('div', { class: 'heading' },
      h('h2', { id: 'messages-title' }, translate('messages')),
      button(translate('clear'), diagram.clear, { id: 'clear' })),
    diagram.element)
  toMessages.textContent = translate('toSee')
  diagram.render()
  renderScreen()
}

render()
document.body.append(
  header,
  h('main', {},
    h('section', { class: 'left', 'aria-label': translate('device') }, screen.element),
    h('div', { class: 'stage' }, troubles, messages)),
  toMessages)

// On a narrow screen the messages are below the phone. A link leads to them while they are not visible.
new IntersectionObserver(([entry]) => {
  toMessages.hidden = entry!.isIntersecting
}, { threshold: 0.2 }).observe(messages)

// Checks the session_key at startup, as a signed-in Mini Program does before it needs the key.
if (handset.client.token !== null) {
  act('start', async () => {
    await handset.client.ensureSessionKey()
    return handset.name === null ? null : text('result.welcome', handset.name)
  })
}
