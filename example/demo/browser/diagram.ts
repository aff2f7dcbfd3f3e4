/** The sequence diagram: a row for each message, which screen readers get as a sentence in a log. */
import type { DemoEvent, Field, Lane, Message, Work } from '../messages.js'
import { h } from './dom.js'
import { say, type Word } from './words.js'

type Row =
  | { kind: 'chapter', word: Word, device: string }
  | { kind: 'note', lane: Lane, word: Word, values: unknown[] }
  | { kind: 'work', work: Work }
  /** Equal messages of one volley share a row. */
  | { kind: 'message', message: Message, count: number, slowest: number }

type MessageRow = Row & { kind: 'message' }

export interface Diagram {
  element: HTMLElement
  chapter (word: Word, device: string): void
  note (lane: Lane, word: Word, ...values: unknown[]): void
  show (event: DemoEvent): void
  clear (): void
  /** In the language of now. */
  render (): void
}

const MAX_ROWS = 300

export function createDiagram (): Diagram {
  let rows: Row[] = []
  const drawn = new Map<Row, HTMLElement>()
  const list = h('ol', { class: 'rows', role: 'log', 'aria-live': 'polite' })
  const heads = h('div', { class: 'lanes', 'aria-hidden': 'true' })
  // In the order of the keyboard, or nobody without a mouse could scroll it.
  const scroller = h('div', { class: 'diagram', tabindex: '0', role: 'region' }, heads, list)

  function add (row: Row): void {
    if (rows.length === 0) list.replaceChildren()
    rows.push(row)
    list.append(draw(row))
    while (rows.length > MAX_ROWS) {
      const gone = rows.shift()!
      drawn.get(gone)?.remove()
      drawn.delete(gone)
    }
    scroller.scrollTop = scroller.scrollHeight
  }

  function draw (row: Row): HTMLElement {
    const item = drawRow(row)
    drawn.get(row)?.replaceWith(item)
    drawn.set(row, item)
    return item
  }

  /** The row of equal messages of the same volley, since something was said between the messages. */
  function twin (message: Message): MessageRow | null {
    for (const row of rows.toReversed()) {
      if (row.kind === 'chapter' || row.kind === 'note') return null
      if (row.kind === 'message' && message.volley !== null && looks(row.message) === looks(message)) return row
    }
    return null
  }

  function showMessage (message: Message): void {
    const ms = message.ms ?? 0
    const row = twin(message)
    if (row === null) return add({ kind: 'message', message, count: 1, slowest: ms })
    row.count += 1
    row.slowest = Math.max(row.slowest, ms)
    draw(row)
  }

  function render (): void {
    heads.replaceChildren(...(['phone', 'server', 'wechat'] as const).map((lane) => {
      return h('div', { class: `lane ${lane}` }, h('span', { class: 'icon' }), say(`lane.${lane}`))
    }))
    list.setAttribute('aria-label', say('messages'))
    scroller.setAttribute('aria-label', say('messages'))
    if (rows.length === 0) list.replaceChildren(h('li', { class: 'empty' }, say('empty')))
    else list.replaceChildren(...rows.map(draw))
    list.classList.add('still')
  }

  return {
    element: scroller,
    chapter: (word, device) => add({ kind: 'chapter', word, device }),
    note: (lane, word, ...values) => add({ kind: 'note', lane, word, values }),
    show (event) {
      list.classList.remove('still')
      if (event.kind === 'work') add({ kind: 'work', work: event })
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

function looks ({ part, from, to, device, volley, title, status, code, fields }: Message): string {
  return JSON.stringify([part, from, to, device, volley, title, status, code, fields.map(({ name }) => name)])
}

function drawRow (row: Row): HTMLElement {
  if (row.kind === 'chapter') {
    return h('li', { class: 'chapter' }, h('span', { class: 'badge' }, `${say('device')} ${row.device}`), ` ${say(row.word)}`)
  }
  if (row.kind === 'note') return note(row.lane, say(row.word, ...row.values), 'note')
  if (row.kind === 'work') {
    const { what, code } = row.work
    const word = what === 'store' ? 'work.store.failed' : code === null ? 'work.decrypt.ok' : 'work.decrypt.failed'
    return note('server', say(word), code === null ? 'work' : 'work refused')
  }
  return drawMessage(row.message, row.count, row.slowest)
}

function note (lane: Lane, text: string, kind: string): HTMLElement {
  return h('li', { class: `remark ${kind} ${lane}` }, h('p', {}, h('span', { class: 'unseen' }, `${say(`lane.${lane}`)}: `), text))
}

function drawMessage (message: Message, count: number, slowest: number): HTMLElement {
  const { part, from, to, title, fields, ms } = message
  const outcome = outcomeOf(message)
  const reason = reasonOf(message)
  const times = count > 1 ? `${count} × ` : ''
  const time = ms === null ? '' : duration(count > 1 ? slowest : ms)
  const span = [from, to].sort().join('-')
  const isToRight = from === 'phone' || to === 'wechat'

  const spoken = [
    `${say(`lane.${from}`)} → ${say(`lane.${to}`)}: ${times}${title}`,
    outcome, reason, time,
    ...fields.map(({ name, value }) => `${name} ${value ?? say('sealed')}`)
  ].filter((words) => words !== '').join(', ')

  return h('li', { class: `message ${part} ${span} ${isToRight ? 'right' : 'left'} ${message.code === null ? '' : 'refused'}` },
    h('span', { class: 'unseen' }, spoken),
    h('div', { class: 'span', 'aria-hidden': 'true' },
      h('div', { class: 'label' },
        count > 1 ? h('span', { class: 'count' }, `${count} ×`) : null,
        part === 'request' ? h('span', { class: 'title' }, title) : h('span', { class: 'pill' }, outcome),
        time === '' ? null : h('span', { class: 'ms' }, time)),
      h('div', { class: 'line' }),
      h('div', { class: 'fields' }, reason === '' ? null : h('span', { class: 'field reason' }, reason), ...fields.map(drawField))))
}

function drawField ({ name, value }: Field): HTMLElement {
  return value === null
    ? h('span', { class: 'field sealed', title: say('sealed') }, name)
    : h('span', { class: 'field' }, h('b', {}, name), ` ${value}`)
}

/** '200', 'ok' or 'fail'; nothing for a request. */
function outcomeOf ({ part, status, code }: Message): string {
  if (part === 'request') return ''
  return String(status ?? (code === null ? 'ok' : 'fail'))
}

/** 'SESSION KICKED', 'errcode 40163'. */
function reasonOf ({ code, status }: Message): string {
  return code === null || code === 'fail' || code === String(status) ? '' : code.replace('FST_WEAPP_', '').replaceAll('_', ' ')
}

function duration (ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
