/** The head of the page: its title, and the switches of language and theme. */
import { button, h } from './dom.js'
import { language, theme, type Preference } from './preferences.js'
import { translate } from './texts.js'
import { resetVisitor } from './visitor.js'

/** Renders the head. `onChange` runs after a switch. */
export function renderHeader (header: HTMLElement, onChange: () => void): void {
  document.title = `fastify-weapp: ${translate('title')}`
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
  document.documentElement.dataset['theme'] = theme.value

  function toggle<Value extends string> (
    id: string, label: string, preference: Preference<Value>, lang = ''
  ): HTMLElement {
    return button(label, () => {
      const next = preference.values.indexOf(preference.value) + 1
      preference.value = preference.values[next % preference.values.length]!
      onChange()
      document.getElementById(id)?.focus()
    }, { id, ...lang !== '' && { lang } })
  }

  header.replaceChildren(
    h('div', {}, h('h1', {}, translate('title')), h('p', {}, translate('lead'))),
    h('div', { class: 'tools' },
      h('a', { href: '/docs', target: '_blank' }, translate('api')),
      toggle('theme', translate(`theme.${theme.value}`), theme),
      toggle('language', translate('language'), language, language.value === 'zh' ? 'en' : 'zh-CN'),
      button(translate('startOver'), () => {
        resetVisitor()
        location.assign(location.pathname)
      }, { id: 'start-over', title: translate('startOverHint') })))
}
