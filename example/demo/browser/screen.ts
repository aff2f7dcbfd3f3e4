/** What the phone shows. It knows nothing of signing in: it is told, and tells what was tapped. */
import { button, h } from './dom.js'
import { say } from './words.js'

export interface ScreenState {
  device: string
  isSignedIn: boolean
  isSignedOut: boolean
  name: string | null
  isBinding: boolean
  devices: Array<{ createdAt: number, current: boolean }> | null
}

export interface Taps {
  switchTo (device: string): void
  signIn (): void
  bind (username: string, password: string): void
  bindByPhone (): void
  whoAmI (): void
  phoneNumber (as: 'encryptedData' | 'phoneCode'): void
  myDevices (): void
  signOut (all: boolean): void
}

export interface Screen {
  element: HTMLElement
  render (state: ScreenState): void
  /** What came of the last tap. */
  tell (text: string, isBad?: boolean): void
}

export function createScreen (taps: Taps): Screen {
  const body = h('div', { class: 'body' })
  // Outside of what is drawn anew, or screen readers would not notice that it changes.
  const result = h('p', { class: 'result', role: 'status' })
  const element = h('div', { class: 'handset' }, body, result)

  function tabs ({ device }: ScreenState): HTMLElement {
    return h('div', { class: 'tabs', role: 'group', 'aria-label': say('devices') }, ...['A', 'B'].map((name) => {
      return button(`${say('device')} ${name}`, () => taps.switchTo(name), { 'aria-pressed': String(name === device), id: `device-${name}` })
    }))
  }

  function card ({ isSignedIn, isSignedOut, name }: ScreenState): HTMLElement {
    const state = isSignedIn ? 'signedIn' : isSignedOut ? 'signedOut' : 'nobody'
    return h('div', { class: `card ${state}` },
      h('span', { class: 'avatar', 'aria-hidden': 'true' }, (isSignedIn && name?.[0]) || '?'),
      h('div', {}, h('strong', {}, (isSignedIn && name) || say('stranger')), h('span', { class: 'state' }, say(state))))
  }

  function bindForm (): HTMLElement {
    const username = h('input', { id: 'username', value: 'alice', autocomplete: 'off', required: true })
    const password = h('input', { id: 'password', type: 'password', value: 'wonderland', autocomplete: 'off', required: true })
    const form = h('form', { class: 'bind' },
      h('p', {}, say('bindHint')),
      h('label', { for: 'username' }, say('username')), username,
      h('label', { for: 'password' }, say('password')), password,
      h('button', { type: 'submit', class: 'primary', id: 'bind' }, say('bind')),
      button(say('bindByPhone'), () => taps.bindByPhone(), { id: 'bind-by-phone' }))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      taps.bind(username.value, password.value)
    })
    return form
  }

  function deviceList (devices: NonNullable<ScreenState['devices']>): HTMLElement {
    return h('ul', { class: 'devices' }, ...devices.map(({ createdAt, current }) => {
      return h('li', {}, say(current ? 'thisDevice' : 'otherDevice'), h('time', {}, new Date(createdAt).toLocaleTimeString()))
    }))
  }

  function actions ({ isSignedIn, devices }: ScreenState): HTMLElement {
    return h('div', { class: 'actions' },
      button(say('signIn'), () => taps.signIn(), { id: 'sign-in', class: isSignedIn ? '' : 'primary' }),
      button(say('whoAmI'), () => taps.whoAmI(), { id: 'who-am-i' }),
      h('fieldset', {}, h('legend', {}, say('phoneNumber')),
        button(say('byData'), () => taps.phoneNumber('encryptedData'), { id: 'by-data' }),
        button(say('byCode'), () => taps.phoneNumber('phoneCode'), { id: 'by-code' })),
      button(say('myDevices'), () => taps.myDevices(), { id: 'my-devices', class: 'wide' }),
      devices === null ? null : deviceList(devices),
      button(say('signOut'), () => taps.signOut(false), { id: 'sign-out' }),
      button(say('signOutAll'), () => taps.signOut(true), { id: 'sign-out-all' }))
  }

  return {
    element,
    render (state) {
      // Drawing anew must not take the focus away from who uses a keyboard.
      const focused = document.activeElement?.id
      const wasInside = body.contains(document.activeElement)
      body.replaceChildren(
        h('div', { class: 'bar' }, h('h2', {}, say('shop'))),
        tabs(state),
        card(state),
        state.isBinding ? bindForm() : actions(state))
      if (!wasInside) return
      const again = (focused && document.getElementById(focused)) || body.querySelector<HTMLElement>('input, .primary, #who-am-i')
      again?.focus()
    },
    tell (text, isBad = false) {
      result.textContent = text
      result.classList.toggle('bad', isBad)
    }
  }
}
