/** What happened, in order, and how much of it the page shows. It plays at reading speed, forwards and backwards. */
import type { Lane, Message, Operation } from '../messages.js'
import { speed } from './preferences.js'
import type { ScreenState } from './screen.js'
import { translateText, type Text } from './texts.js'

export type Entry =
  | { kind: 'note', lane: Lane, text: Text }
  | { kind: 'operation', operation: Operation }
  /** Equal messages of a batch share an entry. */
  | { kind: 'message', message: Message, count: number, slowest: number }
  /** What the phone shows from here on. */
  | { kind: 'screen', state: ScreenState }

type MessageEntry = Entry & { kind: 'message' }

/** Milliseconds, at normal speed. */
const READ_ROW_MS = 900
const READ_CHARACTER_MS = { latin: 35, chinese: 110 }
const FACTORS = { slow: 2, normal: 1, fast: 0.3, instant: 0 }

export class Timeline {
  readonly #onChange: () => void
  #entries: Entry[] = []
  #position = 0
  #isPlaying = true
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param onChange called after each change of the position or of an entry that is shown */
  constructor (onChange: () => void) {
    this.#onChange = onChange
  }

  /** The entries that are shown. */
  get shown (): readonly Entry[] {
    return this.#entries.slice(0, this.#position)
  }

  /** The entries without screens: how many are shown, and how many there are. */
  get progress (): { done: number, total: number } {
    const rows = (entries: readonly Entry[]) => entries.filter(({ kind }) => kind !== 'screen').length
    return { done: rows(this.shown), total: rows(this.#entries) }
  }

  get isPlaying (): boolean {
    return this.#isPlaying
  }

  get isAtEnd (): boolean {
    return this.#position === this.#entries.length
  }

  /** Shows the screens that follow the last shown row. */
  showScreens (): void {
    if (this.#position === 0) this.#forwardScreens()
    this.#changed()
  }

  /** Discards the entries and plays what is added from now on. */
  clear (): void {
    this.#entries = []
    this.#position = 0
    this.#isPlaying = true
    this.#changed()
  }

  add (entry: Entry): void {
    this.#entries.push(entry)
    this.#schedule()
  }

  /** Adds a message, or counts it in the entry of equal messages of its batch. */
  addMessage (message: Message): void {
    const ms = message.ms ?? 0
    const equal = this.#equalEntry(message)
    if (equal === null) return this.add({ kind: 'message', message, count: 1, slowest: ms })
    equal.count += 1
    equal.slowest = Math.max(equal.slowest, ms)
    this.#changed()
  }

  play (): void {
    if (this.isAtEnd) this.#position = 0
    this.#isPlaying = true
    this.#changed()
  }

  pause (): void {
    this.#isPlaying = false
    this.#changed()
  }

  replay (): void {
    this.#position = 0
    this.play()
  }

  /** Shows the next row, and the screens that follow it. */
  step (): void {
    this.#isPlaying = false
    this.#forward()
    this.#changed()
  }

  back (): void {
    this.#isPlaying = false
    do this.#position = Math.max(0, this.#position - 1)
    while (this.#position > 0 && this.#entries[this.#position]!.kind === 'screen')
    this.#changed()
  }

  showAll (): void {
    this.#position = this.#entries.length
    this.#changed()
  }

  #forward (): void {
    this.#forwardScreens()
    if (!this.isAtEnd) this.#position += 1
    this.#forwardScreens()
  }

  #forwardScreens (): void {
    while (this.#entries[this.#position]?.kind === 'screen') this.#position += 1
  }

  #changed (): void {
    this.#onChange()
    this.#schedule()
  }

  /** Waits for as long as the last row takes to read, then shows the next one. */
  #schedule (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#isPlaying || this.isAtEnd) return
    const factor = FACTORS[speed.value]
    if (factor === 0) return this.showAll()
    this.#timer = setTimeout(() => {
      this.#forward()
      this.#changed()
    }, readingTime(this.#entries[this.#position - 1]) * factor)
  }

  /** Returns the entry of equal messages of the same batch, after the latest note. */
  #equalEntry (message: Message): MessageEntry | null {
    for (const entry of this.#entries.toReversed()) {
      if (entry.kind === 'note') return null
      if (entry.kind !== 'message' || message.batch === null) continue
      if (signature(entry.message) === signature(message)) return entry
    }
    return null
  }
}

function readingTime (entry: Entry | undefined): number {
  if (entry === undefined || entry.kind === 'screen') return 0
  if (entry.kind !== 'note') return READ_ROW_MS
  return [...translateText(entry.text)].reduce((sum, character) => {
    return sum + (character > '\u2fff' ? READ_CHARACTER_MS.chinese : READ_CHARACTER_MS.latin)
  }, READ_ROW_MS)
}

/** Returns the part of a message that equal messages share. */
function signature ({ part, from, to, device, batch, title, status, code, fields }: Message): string {
  return JSON.stringify([part, from, to, device, batch, title, status, code, fields.map(({ name }) => name)])
}
