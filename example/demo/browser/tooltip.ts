/** Shows the glossary on hover, on focus and on a tap. Escape hides it. */
import { h } from './dom.js'
import { explanationOf, TERM_NAMES } from './glossary.js'

const MARGIN = 8

/** Returns a name. A name of the glossary can be focused, and the tooltip explains it. */
export function term (name: string, label: string = name): HTMLElement {
  if (!TERM_NAMES.has(name)) return h('span', {}, label)
  return h('span', { class: 'term', tabindex: '0', 'data-term': name, 'aria-describedby': 'tooltip' }, label)
}

/** Creates the tooltip of the page. */
export function createTooltip (): HTMLElement {
  const tooltip = h('div', { id: 'tooltip', class: 'tooltip', role: 'tooltip', hidden: true })

  function show ({ target }: Event): void {
    const element = target instanceof Element ? target.closest<HTMLElement>('[data-term]') : null
    tooltip.hidden = element === null
    if (element === null) return
    tooltip.replaceChildren(h('b', {}, element.dataset['term']!), ` ${explanationOf(element.dataset['term']!)}`)
    const { left, bottom, top } = element.getBoundingClientRect()
    const { offsetWidth: width, offsetHeight: height } = tooltip
    const x = Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))
    const isAbove = bottom + height + MARGIN > innerHeight
    tooltip.style.left = `${x}px`
    tooltip.style.top = `${isAbove ? top - height - MARGIN : bottom + MARGIN}px`
  }
  const hide = () => { tooltip.hidden = true }

  document.addEventListener('mouseover', show)
  document.addEventListener('focusin', show)
  document.addEventListener('focusout', hide)
  document.addEventListener('scroll', hide, { capture: true, passive: true })
  document.addEventListener('keydown', ({ key }) => { if (key === 'Escape') hide() })
  return tooltip
}
