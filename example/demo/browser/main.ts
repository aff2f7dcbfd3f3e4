/** The entry point of the page. Creates its parts, runs stories and taps, and records what they send. */
import type { WeappClientError } from 'fastify-weapp/client'
import { ACTIONS, bind, resultOf, type Action } from './actions.js'
import { createDiagram } from './diagram.js'
import { button, h } from './dom.js'
import { openEventStream } from './event-stream.js'
import { createHandset, signIn, type Handset } from './handsets.js'
import { renderHeader } from './header.js'
import { createInspector } from './inspector.js'
import { createPlayer } from './player.js'
import { createScreen, type ScreenState } from './screen.js'
import { STORIES, type Story } from './stories.js'
import { text, translate, type TextKey } from './texts.js'
import { Timeline } from './timeline.js'
import { createTooltip } from './tooltip.js'
import { visitor as readVisitor } from './visitor.js'

const ACCOUNT = { username: 'alice', password: 'wonderland' }

const visitor = readVisitor()
const timeline = new Timeline(() => update())
/** Whether the messages are part of the story. The preparation of a story is not. */
let isRecording = true
let isBusy = false
let title: TextKey | null = null
let currentStory: Story | null = null

const events = openEventStream(visitor, (event) => {
  if (!isRecording) return
  if (event.kind === 'operation') timeline.add({ kind: 'operation', operation: event })
  else timeline.addMessage(event)
})
const handsets = new Map(['A', 'B'].map((device) => [device, createHandset(visitor, device, events)]))
let handset = handsets.get('A') as Handset

const screen = createScreen({
  switchTo (device) {
    if (isBusy) return
    handset = handsets.get(device) as Handset
    begin(null, null)
    showScreen({})
  },
  tap: (name) => runAction(name, ACTIONS[name]),
  bind: (username, password) => runAction('bind', bind(username, password))
})
const inspector = createInspector()
const player = createPlayer(timeline)
const header = h('header')
const stories = h('nav', { class: 'stories' })
const heading = h('h2', { id: 'messages-title' })
const aside = h('aside', {}, inspector.element)
const narrow = matchMedia('(max-width: 60rem)')
const diagram = createDiagram(timeline, (entry, row, isTap) => {
  if (!inspector.show(entry)) return false
  if (isTap && narrow.matches) {
    row.append(inspector.element)
    if (row.getBoundingClientRect().bottom > innerHeight) row.scrollIntoView()
  } else {
    aside.append(inspector.element)
    aside.scrollTop = 0
  }
  return true
}, drawEmpty)
const messages = h('section', { class: 'messages', 'aria-labelledby': 'messages-title' },
  h('div', { class: 'heading' }, heading, player.element), diagram.element)

/** Adds what the phone shows to the timeline. */
function showScreen (result: Partial<Pick<ScreenState, 'result' | 'isBad' | 'isPending'>>): void {
  const { device, client, isSignedOut, name, isBinding, devices } = handset
  const state = { device, isSignedIn: client.token !== null, isSignedOut, name, isBinding, devices }
  timeline.add({ kind: 'screen', state: { ...state, result: null, isBad: false, isPending: false, ...result } })
  timeline.showScreens()
}

function begin (newTitle: TextKey | null, story: Story | null): void {
  title = newTitle
  currentStory = story
  history.replaceState(null, '', story === null ? location.pathname : `#${story.id}`)
  inspector.show(null)
  aside.append(inspector.element)
  timeline.clear()
  renderStories()
}

/** Runs an action or a story and shows its result on the phone. Ignores taps while another one runs. */
async function run (newTitle: TextKey, story: Story | null, action: Action): Promise<void> {
  if (isBusy) return
  isBusy = true
  document.body.classList.add('busy')
  begin(newTitle, story)
  handset.devices = null
  handset.isBinding &&= story === null
  if (narrow.matches) messages.scrollIntoView()
  try {
    await events.ready
    if (story !== null) await prepare(story)
    showScreen({ isPending: true })
    showScreen({ result: await action(handset) })
  } catch (error) {
    const { code } = error as WeappClientError
    handset.isBinding ||= code === 'SHOP_ACCOUNT_NOT_BOUND'
    showScreen(resultOf(error as WeappClientError))
  }
  isBusy = false
  document.body.classList.remove('busy')
}

function runAction (name: TextKey, action: Action): void {
  run(name, null, action)
}

function runStory (story: Story): void {
  run(`story.${story.id}`, story, () => story.run({
    visitor,
    handset,
    note: (lane, textKey, ...values) => timeline.add({ kind: 'note', lane, text: text(textKey, ...values) })
  }))
}

/** Brings the phone into the state in which the story begins. The diagram does not show how. */
async function prepare ({ begins }: Story): Promise<void> {
  isRecording = false
  const { client } = handset
  try {
    if (begins === 'not-signed-in') {
      await client.logout()
      handset.isSignedOut = false
    } else {
      if (client.token === null) await signIn(handset).catch(() => signIn(handset, { account: ACCOUNT }))
      // Otherwise a later check would give the server the new key before it decrypts the data.
      await client.ensureSessionKey()
    }
  } finally {
    isRecording = true
  }
}

function drawEmpty (): HTMLElement {
  const legend = ['request', 'response', 'refused', 'work', 'note', 'hidden', 'sealed'] as const
  return h('div', {},
    h('p', {}, translate('empty')),
    button(`▶ ${translate('emptyPlay')}`, () => runStory(STORIES[0]!), { class: 'primary', id: 'play-first' }),
    h('dl', { class: 'legend' }, ...legend.flatMap((name) => [
      h('dt', { class: name }, name === 'hidden' ? '•••' : ''), h('dd', {}, translate(`legend.${name}`))
    ])))
}

function renderStories (): void {
  const group = (label: TextKey, isTrouble: boolean) => h('div', {},
    h('h2', {}, translate(label)),
    ...STORIES.filter((story) => story.isTrouble === isTrouble).map((story) => {
      const link = h('a', {
        href: `#${story.id}`,
        id: `story-${story.id}`,
        class: isTrouble ? 'trouble' : '',
        ...story === currentStory && { 'aria-current': 'true' },
        title: translate(`story.${story.id}.hint`)
      }, translate(`story.${story.id}`))
      // A second click on the same link is no change of the hash.
      link.addEventListener('click', (event) => {
        event.preventDefault()
        runStory(story)
      })
      return link
    }))
  // Restores the focus afterwards, for keyboard users.
  const focused = stories.contains(document.activeElement) ? document.activeElement!.id : null
  stories.replaceChildren(group('stories', false), group('troubles', true))
  if (focused !== null) document.getElementById(focused)?.focus({ preventScroll: true })
  const current = stories.querySelector<HTMLElement>('[aria-current]')
  if (current !== null) current.parentElement!.scrollLeft = current.offsetLeft - current.parentElement!.offsetWidth / 2
}

/** Shows the timeline at its position. */
function update (): void {
  const last = timeline.shown.findLast((entry) => entry.kind === 'screen')
  if (last !== undefined) screen.render(last.state)
  diagram.update()
  player.render()
  const hint = currentStory === null ? null : h('small', {}, translate(`story.${currentStory.id}.hint`))
  heading.replaceChildren(translate(title ?? 'messages'), ' ', hint ?? '')
}

function render (): void {
  renderHeader(header, render)
  renderStories()
  inspector.render()
  update()
  diagram.render()
}

function runHash (): void {
  const story = STORIES.find(({ id }) => `#${id}` === location.hash)
  if (story !== undefined) runStory(story)
}

showScreen({})
render()
document.body.append(
  header, stories,
  h('main', {}, h('section', { 'aria-label': translate('device') }, screen.element), messages, aside),
  createTooltip())
diagram.element.addEventListener('keydown', ({ key, target }) => {
  if (target !== diagram.element) return
  if (key === 'ArrowRight') timeline.step()
  if (key === 'ArrowLeft') timeline.back()
})
addEventListener('hashchange', runHash)

// Checks the session_key at startup, as a signed-in Mini Program does before it needs the key.
if (location.hash !== '') runHash()
else if (handset.client.token !== null) {
  runAction('action.start', async () => {
    await handset.client.ensureSessionKey()
    return text('result.welcome', handset.name)
  })
}
