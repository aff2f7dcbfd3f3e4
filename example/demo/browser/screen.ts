/** The screen of the phone. It renders a state and reports taps. It contains no login logic. */
import { button, h } from './dom.js'
import { translate, type Text } from './texts.js'

export interface ScreenState {
  device: string
  isSignedIn: boolean
  isSignedOut: boolean
  name: string | null
  isBinding: boolean
  devices: Array<{ createdAt: number, current: boolean }> | null
}

export interface TapHandlers {
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
  /** Shows the result of the last tap. */
  showResult (text: Text | null, isBad?: boolean): void
}

export function createScreen (onTap: TapHandlers): Screen {
  const body = h('div', { class: 'body' })
  // Outside of the body that is replaced. Otherwise screen readers do not announce changes.
  const result = h('p', { class: 'result', role: 'status' })
  const element = h('div', { class: 'handset' }, body, result)
  let shown: Text | null = null

  function renderResult (): void {
    result.textContent = shown === null ? '' : translate(shown.textKey, ...shown.values)
  }

  function tabs ({ device }: ScreenState): HTMLElement {
    return h('div', { class: 'tabs', role: 'group', 'aria-label': translate('devices') }, ...['A', 'B'].map((name) => {
      return button(`${translate('device')} ${name}`, () => onTap.switchTo(name), {
        'aria-pressed': String(name === device), id: `device-${name}`
      })
    }))
  }

  function card ({ isSignedIn, isSignedOut, name }: ScreenState): HTMLElement {
    const state = isSignedIn ? 'signedIn' : isSignedOut ? 'signedOut' : 'notSignedIn'
    return h('div', { class: `card ${state}` },
      h('span', { class: 'avatar', 'aria-hidden': 'true' }, (isSignedIn && name?.[0]) || '?'),
      h('div', {},
        h('strong', {}, (isSignedIn && name) || translate('guest')),
        h('span', { class: 'state' }, translate(state))))
  }

  function bindForm (): HTMLElement {
    const username = h('input', { id: 'username', value: 'alice', autocomplete: 'off', required: true })
    const password = h('input', {
      id: 'password', type: 'password', value: 'wonderland', autocomplete: 'off', required: true
    })
    const form = h('form', { class: 'bind' },
      h('p', {}, translate('bindHint')),
      h('label', { for: 'username' }, translate('username')), username,
      h('label', { for: 'password' }, translate('password')), password,
      h('button', { type: 'submit', class: 'primary', id: 'bind' }, translate('bind')),
      button(translate('bindByPhone'), () => onTap.bindByPhone(), { id: 'bind-by-phone' }))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      onTap.bind(username.value, password.value)
    })
    return form
  }

  function deviceList (devices: NonNullable<ScreenState['devices']>): HTMLElement {
    return h('ul', { class: 'devices' }, ...devices.map(({ createdAt, current }) => {
      const time = new Date(createdAt).toLocaleTimeString()
      return h('li', {}, translate(current ? 'thisDevice' : 'otherDevice'), h('time', {}, time))
    }))
  }

  function actions ({ isSignedIn, devices }: ScreenState): HTMLElement {
    return h('div', { class: 'actions' },
      button(translate('signIn'), () => onTap.signIn(), {
        id: 'sign-in', class: isSignedIn ? '' : 'primary', disabled: isSignedIn
      }),
      button(translate('whoAmI'), () => onTap.whoAmI(), { id: 'who-am-i' }),
      h('fieldset', {}, h('legend', {}, translate('phoneNumber')),
        button(translate('byData'), () => onTap.phoneNumber('encryptedData'), { id: 'by-data' }),
        button(translate('byCode'), () => onTap.phoneNumber('phoneCode'), { id: 'by-code' })),
      button(translate('myDevices'), () => onTap.myDevices(), { id: 'my-devices', class: 'wide' }),
      devices === null ? null : deviceList(devices),
      button(translate('signOut'), () => onTap.signOut(false), { id: 'sign-out', disabled: !isSignedIn }),
      button(translate('signOutAll'), () => onTap.signOut(true), { id: 'sign-out-all', disabled: !isSignedIn }))
  }

  return {
    element,
    render (state) {
      // Restores the focus afterwards, for keyboard users.
      const focused = document.activeElement?.id
      const wasInside = body.contains(document.activeElement)
      body.replaceChildren(
        h('div', { class: 'bar' }, h('h2', {}, translate('shop'))),
        tabs(state),
        card(state),
        state.isBinding ? bindForm() : actions(state))
      renderResult()
      if (!wasInside) return
      const sameElement = focused && body.querySelector<HTMLElement>(`#${focused}:enabled`)
      const target = sameElement || body.querySelector<HTMLElement>('input, .primary, #who-am-i')
      target?.focus()
    },
    showResult (text, isBad = false) {
      shown = text
      renderResult()
      result.classList.toggle('bad', isBad)
    }
  }
}
