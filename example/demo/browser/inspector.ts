/** Shows the selected message: its headers, its body, and the code that made it. */
import { HIDDEN, type Message } from '../messages.js'
import { codeOf, hasCode } from './code.js'
import { h } from './dom.js'
import { TERM_NAMES } from './glossary.js'
import { translate, translateText } from './texts.js'
import type { Entry } from './timeline.js'
import { term } from './tooltip.js'

export interface Inspector {
  element: HTMLElement
  /** Shows an entry, or with null the hint. Returns false if the entry has no content to show. */
  show (entry: Entry | null): boolean
  render (): void
}

export function createInspector (): Inspector {
  const element = h('section', { class: 'inspector', 'aria-labelledby': 'inspector-title' })
  let current: Entry | null = null

  function render (): void {
    const title = h('h2', { id: 'inspector-title' }, current === null ? translate('inspect') : titleOf(current))
    if (current === null) {
      element.replaceChildren(title, h('p', { class: 'hint' }, translate('inspectHint')))
      return
    }
    const detail = current.kind === 'message' ? drawDetail(current.message) : []
    element.replaceChildren(title, ...detail, ...drawCode(current))
  }

  return {
    element,
    show (entry) {
      if (entry?.kind === 'note' && !hasCode(entry)) return false
      current = entry
      render()
      return true
    },
    render
  }
}

function titleOf (entry: Entry): string {
  if (entry.kind === 'note') return translateText(entry.text)
  if (entry.kind !== 'message') return translate('lane.server')
  const { from, to } = entry.message
  return `${translate(`lane.${from}`)} → ${translate(`lane.${to}`)}`
}

function drawDetail ({ part, detail: { line, headers, body } }: Message): HTMLElement[] {
  const names = Object.keys(headers)
  return [
    h('pre', { class: 'first-line', tabindex: '0' }, ...withMarks(line)),
    ...names.length === 0
      ? []
      : [h('h3', {}, translate(`headers.${part}`)), h('dl', {}, ...names.flatMap((name) => {
          return [h('dt', {}, term(name)), h('dd', {}, ...withMarks(headers[name]!))]
        }))],
    ...body === undefined
      ? []
      : [
          h('h3', {}, translate(`body.${part}`)),
          h('pre', { class: 'body', tabindex: '0' }, ...withMarks(JSON.stringify(body, null, 2)))
        ]
  ]
}

function drawCode (entry: Entry): HTMLElement[] {
  const { server, sdk } = codeOf(entry)
  return ([['sdkCode', sdk], ['serverCode', server]] as const).flatMap(([textKey, snippet]) => {
    if (snippet === undefined) return []
    return [
      h('h3', {}, translate(textKey), h('small', {}, snippet.path)),
      h('pre', { class: `code ${textKey}`, tabindex: '0' }, snippet.code)
    ]
  })
}

/** Splits text at hidden secrets and at names of the glossary. The `code` of an error is not in the glossary. */
function withMarks (text: string): Array<Node | string> {
  return text.split(/("[\w-]+"(?=:(?! "(?:FST|SHOP)_))|\b\w+(?==)|"?•••"?)/).map((part) => {
    if (part.includes(HIDDEN)) return h('span', { class: 'hidden-value' }, translate('hidden'))
    const name = part.replaceAll('"', '')
    return TERM_NAMES.has(name) ? term(name, part) : part
  })
}
