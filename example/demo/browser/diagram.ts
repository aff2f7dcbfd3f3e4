/** The sequence diagram. Each message is a row. Screen readers read it as a sentence of a log. */
import { HIDDEN, type Field, type Lane, type Message } from '../messages.js'
import { hasCode } from './code.js'
import { button, h } from './dom.js'
import { translate, translateText } from './texts.js'
import type { Entry, Timeline } from './timeline.js'
import { term } from './tooltip.js'

export interface Diagram {
  element: HTMLElement
  /** Shows the rows up to the position of the timeline. */
  update (): void
  /** Renders all rows in the current language. */
  render (): void
}

const DAY_SECONDS = 86_400

export function createDiagram (
  timeline: Timeline, onSelect: (entry: Entry, row: HTMLElement, isTap: boolean) => boolean, empty: () => HTMLElement
): Diagram {
  const rows = new Map<Entry, HTMLElement>()
  /** The count of a row that is drawn, because equal messages share it. */
  const counts = new Map<Entry, number>()
  const list = h('ol', { class: 'rows', role: 'log', 'aria-live': 'polite' })
  const heads = h('div', { class: 'lanes', 'aria-hidden': 'true' })
  // Focusable, because keyboard users must be able to scroll it.
  const element = h('div', { class: 'diagram', tabindex: '0', role: 'region' }, heads, list)

  function select (entry: Entry, isTap = false): void {
    if (!onSelect(entry, rows.get(entry)!, isTap)) return
    for (const [other, row] of rows) row.classList.toggle('selected', other === entry)
  }

  function draw (entry: Entry): HTMLElement {
    const row = drawRow(entry, () => {
      timeline.pause()
      select(entry, true)
    })
    rows.get(entry)?.replaceWith(row)
    rows.set(entry, row)
    counts.set(entry, countOf(entry))
    return row
  }

  function update (): void {
    const shown = timeline.shown.filter(({ kind }) => kind !== 'screen')
    if (timeline.progress.total === 0) {
      rows.clear()
      list.replaceChildren(h('li', { class: 'empty' }, empty()))
      return
    }
    const last = shown.at(-1)
    const wasShown = last !== undefined && rows.get(last)?.isConnected === true
    for (const [entry, row] of rows) if (!shown.includes(entry)) row.remove()
    list.querySelector('.empty')?.remove()
    for (const entry of shown) {
      const row = rows.has(entry) && counts.get(entry) === countOf(entry) ? rows.get(entry)! : draw(entry)
      if (!row.isConnected) list.append(row)
    }
    if (last === undefined || wasShown) return
    select(last)
    rows.get(last)!.scrollIntoView({ block: 'nearest' })
  }

  return {
    element,
    update,
    render () {
      heads.replaceChildren(...(['phone', 'server', 'wechat'] as const).map((lane) => {
        return h('div', { class: `lane ${lane}` }, h('span', { class: 'icon' }), translate(`lane.${lane}`))
      }))
      list.setAttribute('aria-label', translate('messages'))
      element.setAttribute('aria-label', translate('messages'))
      const selected = [...rows].find(([, row]) => row.classList.contains('selected'))?.[0]
      rows.clear()
      list.replaceChildren()
      update()
      if (selected !== undefined && rows.has(selected)) select(selected)
    }
  }
}

function countOf (entry: Entry): number {
  return entry.kind === 'message' ? entry.count : 1
}

function drawRow (entry: Entry, onClick: () => void): HTMLElement {
  if (entry.kind === 'message') return drawMessage(entry.message, entry.count, entry.slowest, onClick)
  if (entry.kind === 'note') {
    return remark(entry.lane, [translateText(entry.text)], 'note', hasCode(entry) ? onClick : null)
  }
  const { name, code, sealed } = (entry as Entry & { kind: 'operation' }).operation
  if (name === 'save') {
    const key = h('span', { class: 'field sealed' },
      term('session_key'), ` ${sealed}… `, term('sealed', translate('sealed')))
    return remark('server', [`${translate('work.save')}: `, key], 'work', onClick)
  }
  const textKey = name === 'store' ? 'work.store.failed' : code === null ? 'work.decrypt.ok' : 'work.decrypt.failed'
  return remark('server', [translate(textKey)], code === null ? 'work' : 'work refused', onClick)
}

/** Draws a remark. `onClick` is null if the remark has no code. */
function remark (lane: Lane, content: Array<Node | string>, kind: string, onClick: (() => void) | null): HTMLElement {
  const code = { class: 'open-code', 'aria-label': translate('openCode'), title: translate('openCode') }
  const row = h('li', { class: `remark ${kind} ${lane}` },
    h('p', {},
      h('b', { class: 'speaker' }, translate(`lane.${lane}`)), ' ', h('span', {}, ...content),
      onClick === null ? null : button('', onClick, code)))
  if (onClick !== null) onRowClick(row, onClick)
  return row
}

/** Handles clicks on a row, except on names of the glossary and in the inspector that a narrow screen shows in it. */
function onRowClick (row: HTMLElement, onClick: () => void): void {
  row.addEventListener('click', ({ target }) => {
    if ((target as Element).closest('.inspector, [data-term]') === null) onClick()
  })
}

function drawMessage (message: Message, count: number, slowest: number, onClick: () => void): HTMLElement {
  const { part, from, to, title, fields, ms } = message
  const outcome = outcomeOf(message)
  const times = count > 1 ? `${count} × ` : ''
  const time = ms === null ? '' : duration(count > 1 ? slowest : ms)
  const span = [from, to].sort().join('-')
  const direction = from === 'phone' || to === 'wechat' ? 'right' : 'left'

  const sentence = [
    `${translate(`lane.${from}`)} → ${translate(`lane.${to}`)}: ${times}${title}`,
    outcome, time,
    ...fields.map((field) => `${field.name} ${valueOf(field) ?? translate('hidden')}`)
  ].filter((part) => part !== '').join(', ')

  const row = h('li', { class: `message ${part} ${span} ${direction} ${message.code === null ? '' : 'refused'}` },
    h('span', { class: 'unseen' }, sentence),
    h('div', { class: 'span' },
      h('div', { class: 'label' },
        count > 1 ? h('span', { class: 'count', 'aria-hidden': 'true' }, `${count} ×`) : null,
        part === 'request' ? breakable(title, onClick, 'title') : breakable(outcome, onClick, 'pill'),
        time === '' ? null : h('span', { class: 'ms', 'aria-hidden': 'true' }, time)),
      h('div', { class: 'line' }),
      h('div', { class: 'fields' }, ...fields.map(drawField))))
  onRowClick(row, onClick)
  return row
}

/** Creates a button whose text can break after slashes and underscores. */
function breakable (text: string, onClick: () => void, className: string): HTMLElement {
  const element = button('', onClick, { class: className })
  for (const part of text.split(/(?<=[/_])/)) element.append(part, h('wbr'))
  return element
}

function drawField (field: Field): HTMLElement {
  const value = valueOf(field)
  return value === null
    ? h('span', { class: 'field hidden', title: translate('hidden') },
      term(field.name), h('i', { class: 'dots', 'aria-hidden': 'true' }, HIDDEN))
    : h('span', { class: 'field' }, term(field.name), h('wbr'), h('b', { 'aria-hidden': 'true' }, value))
}

function valueOf ({ name, value }: Field): string | null {
  return name === 'expiresIn' ? translate('days', Math.round(Number(value) / DAY_SECONDS)) : value
}

/** Returns '200', 'ok' or '401 FST_WEAPP_TOKEN_INVALID', or an empty string for a request. */
function outcomeOf ({ part, status, code }: Message): string {
  if (part === 'request') return ''
  if (status === null) return code ?? 'ok'
  return code === null || code === String(status) ? String(status) : `${status} ${code}`
}

function duration (ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
