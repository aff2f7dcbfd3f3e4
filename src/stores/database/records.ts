/** Reads and changes the records of users by compare and set. Every operation settles within the timeout. */
import { withDeadline, type Deadline } from '../../utils/deadline.js'
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
    let first: DatabaseRecord | Promise<DatabaseRecord>
    try {
      first = this.#call(() => this.#database.read({ userId, timeLeft: this.#timeout }))
    } catch (error) {
      first = Promise.reject(error)
    }
    if (!isThenable(first)) return interpret(checkedRecord(first).record)
    return this.#readInTime(userId, first).then(({ record }) => interpret(record))
  }

  #readInTime (userId: string, first: Promise<DatabaseRecord>): Promise<DatabaseRecord> {
    let pending: Promise<DatabaseRecord> | null = first
    return withDeadline(this.#timeout, (deadline) => this.#untilDone(deadline, async () => {
      const reply = pending
      pending = null
      return checkedRecord(await (reply === null ? this.#read(userId, deadline) : settled(reply, deadline)))
    }))
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

  /** Resolves to null if the record was changed since it was read. */
  async #changeOnce<Result> (
    userId: string, change: (text: string | null, time: number) => TextChange<Result>, deadline: Deadline
  ): Promise<TextChange<Result> | null> {
    const { record: before, version, time } = checkedRecord(await this.#read(userId, deadline))
    // The database reads its clock before its reply arrives here. So a write may be refused early, and never late.
    const until = Math.floor(time + deadline.until - performance.now())
    const changed = change(before, time)
    const { text: after, expiresAt } = changed
    if (after === null || expiresAt === null) return changed

    const write = { userId, before, version, after, expiresAt, until, timeLeft: timeLeft(deadline) }
    const isWritten = await inTime(deadline, () => this.#call(() => this.#database.write(write)))
    if (typeof isWritten !== 'boolean') throw storeError(INVALID_REPLY)
    if (!isWritten) return null
    this.#deleteExpired()
    return changed
  }

  #read (userId: string, deadline: Deadline): Promise<DatabaseRecord> {
    return inTime(deadline, () => this.#call(() => this.#database.read({ userId, timeLeft: timeLeft(deadline) })))
  }

  #call<Reply> (call: () => Reply | Promise<Reply>): Reply | Promise<Reply> {
    if (this.#unanswered >= MAX_UNANSWERED) throw storeError(TOO_MANY_WAITING)
    const reply = call()
    if (!isThenable(reply)) return reply
    this.#unanswered++
    return reply.then((value) => {
      this.#unanswered--
      return value
    }, (error) => {
      this.#unanswered--
      throw error
    })
  }

  /** Repeats an attempt until it resolves to a value. */
  async #untilDone<Done extends object> (deadline: Deadline, attempt: () => Promise<Done | null>): Promise<Done> {
    for (let failures = 0; ; failures++) {
      try {
        const done = await attempt()
        if (done !== null) return done
      } catch (error) {
        if (this.#database.isRetryable?.(error) !== true) throw error
      }
      // Random, so that servers that wait for each other do not go on in step.
      await pause(deadline, Math.random() * Math.min(2 ** failures, MAX_PAUSE))
    }
  }

  #deleteExpired (): void {
    if (this.#writes++ % WRITES_PER_DELETION !== 0) return
    // Another call will delete what this one leaves.
    const ignored = async (): Promise<unknown> => this.#database.deleteExpired?.()
    ignored().catch(() => {})
  }
}

/** Milliseconds, at least 1 because some drivers take 0 for no timeout. */
function timeLeft (deadline: Deadline): number {
  return Math.max(1, Math.ceil(deadline.until - performance.now()))
}

/** Starts a step of an operation, unless the time is over. Rejects when the time is over. */
async function inTime<Reply> (deadline: Deadline, start: () => Reply | Promise<Reply>): Promise<Reply> {
  if (performance.now() >= deadline.until) throw storeError(TIMEOUT)
  const reply = start()
  return isThenable(reply) ? await settled(reply, deadline) : reply
}

/** Resolves as a reply does. Rejects when the time is over. */
function settled<Reply> (reply: Promise<Reply>, deadline: Deadline): Promise<Reply> {
  return new Promise((resolve, reject) => {
    deadline.expire = () => reject(storeError(TIMEOUT))
    reply.then(resolve, reject)
  })
}

function pause (deadline: Deadline, milliseconds: number): Promise<void> {
  return inTime(deadline, () => new Promise((resolve) => setTimeout(resolve, milliseconds)))
}

/** Checks the reply of a host's function. */
function checkedRecord (reply: DatabaseRecord): DatabaseRecord {
  const { record, time } = (reply ?? {}) as Partial<DatabaseRecord>
  if ((record !== null && typeof record !== 'string') || !Number.isFinite(time)) throw storeError(INVALID_REPLY)
  return reply
}
