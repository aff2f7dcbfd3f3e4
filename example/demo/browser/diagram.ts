/** The sequence diagram. Each message is a row. Screen readers read it as a sentence of a log. */
import type { DemoEvent, Field, Lane, Message, Operation } from '../messages.js'
import { h } from './dom.js'
import { translate, type TextKey } from './texts.js'

type Row =
  | { kind: 'chapter', textKey: TextKey, device: string }
  | { kind: 'note', lane: Lane, textKey: TextKey, values: unknown[] }
  | { kind: 'operation', operation: Operation }
  /** Equal messages of a batch share a row. */
  | { kind: 'message', message: Message, count: number, slowest: number }

type MessageRow = Row & { kind: 'message' }

export interface Diagram {
  element: HTMLElement
  chapter (textKey: TextKey, device: string): void
  note (lane: Lane, textKey: TextKey, ...values: unknown[]): void
  show (event: DemoEvent): void
  clear (): void
  /** Renders the diagram in the current language. */
  render (): void
}

const MAX_ROWS = 300

export function createDiagram (): Diagram {
  let rows: Row[] = []
  const drawn = new Map<Row, HTMLElement>()
  const list = h('ol', { class: 'rows', role: 'log', 'aria-live': 'polite' })
  const heads = h('div', { class: 'lanes', 'aria-hidden': 'true' })
  // Focusable, because keyboard users must be able to scroll it.
  const scroller = h('div', { class: 'diagram', tabindex: '0', role: 'region' }, heads, list)

  function add (row: Row): void {
    if (rows.length === 0) list.replaceChildren()
    rows.push(row)
    list.append(draw(row))
    while (rows.length > MAX_ROWS) {
      const oldest = rows.shift()!
      drawn.get(oldest)?.remove()
      drawn.delete(oldest)
    }
    scroller.scrollTop = scroller.scrollHeight
  }

  function draw (row: Row): HTMLElement {
    const item = drawRow(row)
    drawn.get(row)?.replaceWith(item)
    drawn.set(row, item)
    return item
  }

  /** Returns the row of equal messages of the same batch, after the latest note or chapter. */
  function equalRow (message: Message): MessageRow | null {
    for (const row of rows.toReversed()) {
      if (row.kind === 'chapter' || row.kind === 'note') return null
      if (row.kind === 'message' && message.batch !== null && signature(row.message) === signature(message)) return row
    }
    return null
  }

  function showMessage (message: Message): void {
    const ms = message.ms ?? 0
    const row = equalRow(message)
    if (row === null) return add({ kind: 'message', message, count: 1, slowest: ms })
    row.count += 1
    row.slowest = Math.max(row.slowest, ms)
    draw(row)
  }

  function render (): void {
    heads.replaceChildren(...(['phone', 'server', 'wechat'] as const).map((lane) => {
      return h('div', { class: `lane ${lane}` }, h('span', { class: 'icon' }), translate(`lane.${lane}`))
    }))
    list.setAttribute('aria-label', translate('messages'))
    scroller.setAttribute('aria-label', translate('messages'))
    if (rows.length === 0) list.replaceChildren(h('li', { class: 'empty' }, translate('empty')))
    else list.replaceChildren(...rows.map(draw))
    list.classList.add('still')
  }

  return {
    element: scroller,
    chapter: (textKey, device) => add({ kind: 'chapter', textKey, device }),
    note: (lane, textKey, ...values) => add({ kind: 'note', lane, textKey, values }),
    show (event) {
      list.classList.remove('still')
      if (event.kind === 'operation') add({ kind: 'operation', operation: event })
      else showMessage(event)
    },
    clear () {
      rows = []
      drawn.clear()
      render()
    },
    render
  }
}

/** Returns the part of a message that equal messages share. */
function signature ({ part, from, to, device, batch, title, status, code, fields }: Message): string {
  return JSON.stringify([part, from, to, device, batch, title, status, code, fields.map(({ name }) => name)])
}

function drawRow (row: Row): HTMLElement {
  if (row.kind === 'chapter') {
    return h('li', { class: 'chapter' },
      h('span', { class: 'badge' }, `${translate('device')} ${row.device}`), ` ${translate(row.textKey)}`)
  }
  if (row.kind === 'note') return note(row.lane, translate(row.textKey, ...row.values), 'note')
  if (row.kind === 'operation') {
    const { name, code } = row.operation
    const textKey = name === 'store' ? 'work.store.failed' : code === null ? 'work.decrypt.ok' : 'work.decrypt.failed'
    return note('server', translate(textKey), code === null ? 'work' : 'work refused')
  }
  return drawMessage(row.message, row.count, row.slowest)
}

function note (lane: Lane, text: string, kind: string): HTMLElement {
  return h('li', { class: `remark ${kind} ${lane}` },
    h('p', {}, h('span', { class: 'unseen' }, `${translate(`lane.${lane}`)}: `), text))
}

function drawMessage (message: Message, count: number, slowest: number): HTMLElement {
  const { part, from, to, title, fields, ms } = message
  const outcome = outcomeOf(message)
  const reason = reasonOf(message)
  const times = count > 1 ? `${count} × ` : ''
  const time = ms === null ? '' : duration(count > 1 ? slowest : ms)
  const span = [from, to].sort().join('-')
  const isToRight = from === 'phone' || to === 'wechat'

  const sentence = [
    `${translate(`lane.${from}`)} → ${translate(`lane.${to}`)}: ${times}${title}`,
    outcome, reason, time,
    ...fields.map(({ name, value }) => `${name} ${value ?? translate('sealed')}`)
  ].filter((part) => part !== '').join(', ')

  const direction = isToRight ? 'right' : 'left'
  return h('li', { class: `message ${part} ${span} ${direction} ${message.code === null ? '' : 'refused'}` },
    h('span', { class: 'unseen' }, sentence),
    h('div', { class: 'span', 'aria-hidden': 'true' },
      h('div', { class: 'label' },
        count > 1 ? h('span', { class: 'count' }, `${count} ×`) : null,
        part === 'request' ? h('span', { class: 'title' }, title) : h('span', { class: 'pill' }, outcome),
        time === '' ? null : h('span', { class: 'ms' }, time)),
      h('div', { class: 'line' }),
      h('div', { class: 'fields' },
        reason === '' ? null : h('span', { class: 'field reason' }, reason),
        ...fields.map(drawField))))
}

function drawField ({ name, value }: Field): HTMLElement {
  return value === null
    ? h('span', { class: 'field sealed', title: translate('sealed') }, name)
    : h('span', { class: 'field' }, h('b', {}, name), ` ${value}`)
}

/** Returns '200', 'ok' or 'fail', or an empty string for a request. */
function outcomeOf ({ part, status, code }: Message): string {
  if (part === 'request') return ''
  return String(status ?? (code === null ? 'ok' : 'fail'))
}

/** Returns the reason of a refusal, such as 'SESSION KICKED' or 'errcode 40163', otherwise an empty string. */
function reasonOf ({ code, status }: Message): string {
  if (code === null || code === 'fail' || code === String(status)) return ''
  return code.replace('FST_WEAPP_', '').replaceAll('_', ' ')
}

function duration (ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
