/** Read first: puts the page together, and says what each tap does. */
import type { WeappClientError } from 'fastify-weapp/client'
import { createDiagram } from './diagram.js'
import { button, h } from './dom.js'
import { createHandset, phoneNumber, signIn, type Handset } from './handsets.js'
import { createScreen } from './screen.js'
import { openTape } from './tape.js'
import { me, TROUBLES, type Trouble } from './troubles.js'
import { forgetVisitor, visitor as readVisitor } from './visitor.js'
import { currentLanguage, say, toggleLanguage, type Word } from './words.js'

/** The account that troubles use when nobody has bound one yet. */
const ACCOUNT = { username: 'alice', password: 'wonderland' }

const visitor = readVisitor()
const diagram = createDiagram()
const tape = openTape(visitor, diagram.show)
const handsets = new Map(['A', 'B'].map((device) => [device, createHandset(visitor, device, tape, () => {})]))
let handset = handsets.get('A') as Handset
let isBusy = false

const screen = createScreen({
  switchTo (device) {
    handset = handsets.get(device) as Handset
    screen.tell('')
    renderScreen()
  },
  signIn: () => act('signIn', async () => say('result.welcome', await signIn(handset))),
  bind: (username, password) => act('bind', async () => {
    return say('result.welcome', await signIn(handset, { account: { username, password } }))
  }),
  bindByPhone: () => act('bindByPhone', async () => {
    const { code } = await handset.phone.tapPhoneNumber('phoneCode')
    return say('result.welcome', await signIn(handset, { phoneCode: code }))
  }),
  whoAmI: () => act('whoAmI', () => me(handset)),
  phoneNumber: (as) => act('phoneNumber', async () => say('result.phone', await phoneNumber(handset, as))),
  myDevices: () => act('myDevices', async () => {
    handset.devices = (await handset.client.session()).sessions
    return ''
  }),
  signOut: (all) => act(all ? 'signOutAll' : 'signOut', async () => {
    await handset.client.logout({ all })
    return say(all ? 'result.outAll' : 'result.out')
  })
})

/** One thing at a time: a chapter of the diagram, and what came of it on the phone. */
async function act (word: Word, work: () => Promise<string>): Promise<void> {
  if (isBusy) return
  isBusy = true
  document.body.classList.add('busy')
  diagram.chapter(word, handset.device)
  if (word !== 'myDevices') handset.devices = null
  screen.tell('…')
  try {
    await tape.ready
    screen.tell(await work())
  } catch (error) {
    explain(error as WeappClientError)
  }
  isBusy = false
  document.body.classList.remove('busy')
  renderScreen()
}

function explain ({ code, statusCode, message }: WeappClientError): void {
  if (code === 'SHOP_ACCOUNT_NOT_BOUND') {
    handset.isBinding = true
    diagram.note('server', 'note.bound')
    screen.tell(say('result.bind'))
  } else if (code === 'SHOP_WRONG_PASSWORD') screen.tell(say('result.wrongPassword'), true)
  else if (/^FST_WEAPP_SESSION_(REVOKED|KICKED|REPLACED)$/.test(code)) {
    screen.tell(statusCode === undefined ? say('result.demandSignIn') : say('result.signedOutBecause', code), true)
  } else if (statusCode === 429) screen.tell(say('result.limited'), true)
  else screen.tell(say('result.error', code ?? message), true)
}

/** Troubles meet a phone that is signed in; whoever comes here first need not know that. */
async function play (trouble: Trouble): Promise<string> {
  if (handset.client.token === null) {
    diagram.note('phone', 'prepare')
    await signIn(handset, { account: ACCOUNT })
  }
  return await trouble.play({ visitor, handset, diagram })
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
    h('div', {}, h('h1', {}, say('title')), h('p', {}, say('lead'))),
    h('div', { class: 'tools' },
      button(say('startOver'), () => {
        forgetVisitor()
        location.reload()
      }, { id: 'start-over' }),
      button(say('language'), () => {
        toggleLanguage()
        render()
        document.getElementById('language')?.focus()
      }, { id: 'language', lang: currentLanguage() === 'zh' ? 'en' : 'zh-CN' })))
  troubles.replaceChildren(
    h('h2', { id: 'troubles-title' }, say('troubles')),
    h('div', { class: 'grid' }, ...TROUBLES.map((trouble) => {
      const element = button(say(trouble.word), () => act(trouble.word, () => play(trouble)), { id: `trouble-${trouble.id}` })
      element.append(h('small', {}, say(trouble.hint)))
      return element
    })))
  messages.replaceChildren(
    h('div', { class: 'heading' }, h('h2', { id: 'messages-title' }, say('messages')), button(say('clear'), diagram.clear, { id: 'clear' })),
    diagram.element)
  toMessages.textContent = say('toSee')
  screen.tell('')
  diagram.render()
  renderScreen()
}

render()
document.body.append(
  header,
  h('main', {}, h('section', { class: 'left', 'aria-label': say('device') }, screen.element), h('div', { class: 'stage' }, troubles, messages)),
  toMessages)

// A narrow screen has the messages below the phone.
new IntersectionObserver(([entry]) => { toMessages.hidden = entry!.isIntersecting }, { threshold: 0.2 }).observe(messages)

// As a Mini Program does when it starts signed in: is the session_key still good for the buttons that will need it?
if (handset.client.token !== null) {
  act('start', async () => {
    await handset.client.ensureSessionKey()
    return handset.name === null ? '' : say('result.welcome', handset.name)
  })
}
