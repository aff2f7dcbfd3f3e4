/** Reads and changes the records of users by compare and set. Every operation settles within the timeout. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Deadline, withDeadline } from '../../utils/deadline.js'
import { isThenable } from '../../utils/type-checks.js'
import { storeError } from '../store-error.js'
import type { TextChange } from '../user-record/text.js'
import type { DatabaseRecord, SessionDatabase } from './contract.js'
import { INVALID_REPLY, TIMEOUT, TOO_MANY_WAITING } from './errors.js'
import { UserQueue } from './user-queue.js'

/** Limits memory if the database does not keep up. */
const MAX_UNANSWERED = 1000

/** Successful writes from one call of `deleteExpired` to the next. */
const WRITES_PER_DELETION = 100

/** The longest pause before another attempt, in milliseconds. */
const MAX_PAUSE = 32

/** The result of an attempt whose record was changed since it was read. */
const CONFLICT = Symbol('conflict')

export class DatabaseRecords {
  readonly #database: SessionDatabase
  readonly #timeout: number
  readonly #queue = new UserQueue(MAX_UNANSWERED)
  /** Number of calls that the database has not answered. Calls that timed out still count. */
  #unanswered = 0
  #writes = 0

  /** @param timeout milliseconds for one operation */
  constructor (database: SessionDatabase, timeout: number) {
    this.#database = database
    this.#timeout = timeout
  }

  /** Returns what `interpret` makes of the record. Returns it at once if the database answers at once. */
  read<Result> (userId: string, interpret: (text: string | null) => Result): Result | Promise<Result> {
    return this.#readText((timeLeft) => this.#database.read({ userId, timeLeft }), recordOf, interpret)
  }

  /** Does what `read` does, with a text that needs no more than the first line and the line that starts with `line`. */
  readLines<Result> (
    userId: string, line: string, interpret: (text: string | null) => Result
  ): Result | Promise<Result> {
    const { readLines } = this.#database
    if (readLines === undefined) return this.read(userId, interpret)
    return this.#readText((timeLeft) => readLines({ userId, line, timeLeft }), checkedText, interpret)
  }

  #readText<Reply, Result> (
    read: (timeLeft: number) => Reply | Promise<Reply>, textOf: (reply: Reply) => string | null,
    interpret: (text: string | null) => Result
  ): Result | Promise<Result> {
    let first: Reply | Promise<Reply>
    try {
      first = this.#start(() => read(this.#timeout))
    } catch (error) {
      first = Promise.reject(error)
    }
    if (!isThenable(first)) return interpret(textOf(first))
    const deadline = new Deadline(this.#timeout)
    return this.#answer(deadline, first).then((reply) => {
      deadline.settle()
      return interpret(textOf(reply))
    }, async (error) => {
      const again = (): Promise<Reply> => this.#call(deadline, () => read(timeLeft(deadline)))
      try {
        return interpret(textOf(await this.#untilDone(deadline, again, Promise.reject(error))))
      } finally {
        deadline.settle()
      }
    })
  }

  /**
   * Changes a record. `change` may run several times, because another process may change the record meanwhile.
   *
   * @param change receives the record and the database's time in epoch milliseconds
   */
  change<Result> (userId: string, change: (text: string | null, time: number) => TextChange<Result>): Promise<Result> {
    return withDeadline(this.#timeout, (deadline) => this.#queue.run(userId, deadline, async () => {
      const { result } = await this.#untilDone(deadline, () => this.#changeOnce(userId, change, deadline))
      return result
    }))
  }

  async #changeOnce<Result> (
    userId: string, change: (text: string | null, time: number) => TextChange<Result>, deadline: Deadline
  ): Promise<TextChange<Result> | typeof CONFLICT> {
    const read = { userId, timeLeft: timeLeft(deadline) }
    const { record: before, version, time } = checkedRecord(
      await this.#call(deadline, () => this.#database.read(read)))
    // The database reads its clock before its reply arrives here. So a write may be refused early, and never late.
    const until = Math.floor(time + deadline.until - performance.now())
    const changed = change(before, time)
    const { text: after, expiresAt } = changed
    if (after === null || expiresAt === null) return changed

    const write = { userId, before, version, after, expiresAt, until, timeLeft: timeLeft(deadline) }
    const isWritten = await this.#call(deadline, () => this.#database.write(write))
    if (typeof isWritten !== 'boolean') throw storeError(INVALID_REPLY)
    if (!isWritten) return CONFLICT
    this.#deleteExpired()
    return changed
  }

  /** Starts a call of the host's function, unless the time is over. Rejects when the time is over. */
  async #call<Reply> (deadline: Deadline, call: () => Reply | Promise<Reply>): Promise<Reply> {
    assertTimeLeft(deadline)
    const reply = this.#start(call)
    return isThenable(reply) ? await this.#answer(deadline, reply) : reply
  }

  #start<Reply> (call: () => Reply | Promise<Reply>): Reply | Promise<Reply> {
    if (this.#unanswered >= MAX_UNANSWERED) throw storeError(TOO_MANY_WAITING)
    return call()
  }

  /** Resolves as a reply does, or rejects when the time is over. The call counts as unanswered until the reply comes. */
  #answer<Reply> (deadline: Deadline, reply: Promise<Reply>): Promise<Reply> {
    const answered = (): void => { this.#unanswered-- }
    // A native promise, because `then` of another may throw.
    const pending = Promise.resolve(reply)
    this.#unanswered++
    pending.then(answered, answered)
    return deadline.race(pending, () => storeError(TIMEOUT))
  }

  /** Repeats an attempt after a conflict and after an error that is retryable. The first attempt may have started. */
  async #untilDone<Done> (
    deadline: Deadline, attempt: () => Promise<Done | typeof CONFLICT>, started = attempt()
  ): Promise<Done> {
    let pending = started
    for (let failures = 0; ; failures++) {
      try {
        const done = await pending
        if (done !== CONFLICT) return done
      } catch (error) {
        if (this.#database.isRetryable?.(error) !== true) throw error
      }
      // Random, so that servers that wait for each other do not go on in step.
      await sleep(Math.random() * Math.min(2 ** failures, MAX_PAUSE, timeLeft(deadline)))
      // A host may take the store's own timeout as retryable.
      assertTimeLeft(deadline)
      pending = attempt()
    }
  }

  #deleteExpired (): void {
    if (this.#writes++ % WRITES_PER_DELETION !== 0) return
    // Another call will delete what this one leaves.
    const ignored = async (): Promise<unknown> => this.#database.deleteExpired?.()
    ignored().catch(() => {})
  }
}

function assertTimeLeft (deadline: Deadline): void {
  if (performance.now() >= deadline.until) throw storeError(TIMEOUT)
}

/** Milliseconds, at least 1 because some drivers take 0 for no timeout. */
function timeLeft (deadline: Deadline): number {
  return Math.max(1, Math.ceil(deadline.until - performance.now()))
}

/** Checks the reply of a host's function. */
function recordOf (reply: DatabaseRecord): string | null {
  return checkedRecord(reply).record
}

function checkedText (reply: string | null): string | null {
  if (reply !== null && typeof reply !== 'string') throw storeError(INVALID_REPLY)
  return reply
}

function checkedRecord (reply: DatabaseRecord): DatabaseRecord {
  const { record, time } = (reply ?? {}) as Partial<DatabaseRecord>
  if ((record !== null && typeof record !== 'string') || !Number.isFinite(time)) throw storeError(INVALID_REPLY)
  return reply
}
