/** The screen of the phone, as a Mini Program. It renders a state and reports taps. It contains no login logic. */
import { button, h } from './dom.js'
import { timeOf, translate, translateText, type Text, type TextKey } from './texts.js'

export interface ScreenState {
  device: string
  isSignedIn: boolean
  isSignedOut: boolean
  name: string | null
  isBinding: boolean
  devices: Array<{ createdAt: number, current: boolean }> | null
  /** The result of the last tap. */
  result: Text | null
  /** Whether the result is a failure. */
  isBad: boolean
  /** Whether the tap has no result yet. */
  isPending: boolean
}

export type TapName =
  | 'signIn' | 'bindByPhone' | 'whoAmI' | 'phoneByCode' | 'phoneByData' | 'myDevices' | 'signOut' | 'signOutAll'

export interface TapHandlers {
  switchTo (device: string): void
  tap (name: TapName): void
  bind (username: string, password: string): void
}

export interface Screen {
  element: HTMLElement
  render (state: ScreenState): void
}

export function createScreen (onTap: TapHandlers): Screen {
  const tabs = h('div', { class: 'tabs', role: 'group' })
  const bar = h('div', { class: 'nav-bar' })
  const body = h('div', { class: 'body' })
  // Outside of the body that is replaced. Otherwise screen readers do not announce changes.
  const result = h('p', { class: 'result', role: 'status' })
  const element = h('div', { class: 'device' }, tabs, h('div', { class: 'handset' },
    h('div', { class: 'status-bar', 'aria-hidden': 'true' }, h('span', {}, '9:41'), h('span', { class: 'battery' })),
    bar, result, body))

  function renderTabs ({ device }: ScreenState): void {
    tabs.setAttribute('aria-label', translate('devices'))
    tabs.replaceChildren(...['A', 'B'].map((name) => {
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
      button(translate('bindByPhone'), () => onTap.tap('bindByPhone'), { id: 'bind-by-phone' }))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      onTap.bind(username.value, password.value)
    })
    return form
  }

  function deviceList (devices: NonNullable<ScreenState['devices']>): HTMLElement {
    return h('ul', { class: 'devices' }, ...devices.map(({ createdAt, current }) => {
      const time = h('time', {}, timeOf(new Date(createdAt)))
      return h('li', {}, translate(current ? 'thisDevice' : 'otherDevice'), time)
    }))
  }

  function cell (id: string, name: TapName, hint: TextKey | null, disabled = false): HTMLElement {
    const element = button('', () => onTap.tap(name), { id, class: 'cell', disabled })
    element.append(h('span', {}, translate(name), hint === null ? null : h('small', {}, translate(hint))))
    return element
  }

  function actions ({ isSignedIn, devices }: ScreenState): HTMLElement[] {
    return [
      ...isSignedIn
        ? []
        : [button(translate('signIn'), () => onTap.tap('signIn'), { id: 'sign-in', class: 'primary' })],
      h('div', { class: 'cells' },
        cell('who-am-i', 'whoAmI', null),
        cell('by-code', 'phoneByCode', 'phoneByCodeHint'),
        cell('by-data', 'phoneByData', 'phoneByDataHint'),
        cell('my-devices', 'myDevices', null),
        devices === null ? null : deviceList(devices)),
      h('div', { class: 'cells' },
        cell('sign-out', 'signOut', null, !isSignedIn),
        cell('sign-out-all', 'signOutAll', null, !isSignedIn))
    ]
  }

  return {
    element,
    render (state) {
      // Restores the focus afterwards, for keyboard users.
      const focused = document.activeElement?.id
      const wasInside = element.contains(document.activeElement)
      renderTabs(state)
      bar.replaceChildren(
        h('h2', {}, translate('shop')),
        h('span', { class: 'capsule', 'aria-hidden': 'true' }, h('i', {}, '•••'), h('i', {}, '◉')))
      result.textContent = state.isPending ? '…' : state.result === null ? '' : translateText(state.result)
      result.classList.toggle('bad', state.isBad)
      body.replaceChildren(card(state), ...state.isBinding ? [bindForm()] : actions(state))
      if (!wasInside) return
      const sameElement = focused && element.querySelector<HTMLElement>(`#${focused}:enabled`)
      const target = sameElement || body.querySelector<HTMLElement>('input, .primary, #who-am-i')
      target?.focus()
    }
  }
}
