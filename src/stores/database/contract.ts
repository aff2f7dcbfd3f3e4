/**
 * The contract between `databaseStore` and a database of the host: one record for each user, replaced by compare and
 * set.
 *
 * The store reads a record, computes the next one, and writes it only if the database still has what was read.
 * Otherwise the store reads again. So the database needs no transaction and no lock. Four rules apply:
 * - `write` compares and replaces in one atomic step. Two writes with the same `before` never both succeed.
 * - User ids are case-sensitive, and records are compared byte by byte. Many databases ignore case by default.
 * - A rejected promise means that the outcome is unknown. The store does not repeat the call, because the write may
 *   have happened. Errors that `isRetryable` accepts are the exception.
 * - `time` and `until` are of one clock, which all servers of the host share: that of the database.
 *
 * Records consist of printable ASCII characters and line breaks. A user with ten sessions of 4 KiB has a record of
 * 43 KB, and `session.limit: false` allows more.
 */

/** The reply to a read. */
export interface DatabaseRecord {
  /** The text of the record, or null if the user has none. */
  record: string | null
  /**
   * Optional: a value that `write` compares instead of the text, such as an ETag. `write` receives it unchanged. It
   * must be random, or never used again for the user. A counter is neither: it starts again after a deletion.
   */
  version?: unknown
  /**
   * The time at which the database read the record, in epoch milliseconds, by the clock that all its clients share. It
   * must be between the call and the reply, and may be rounded down to a millisecond. Otherwise a login that began
   * before an end of sessions may be accepted, or one that began after it refused.
   */
  time: number
}

/** A request for the record of a user. */
export interface DatabaseRead {
  /** 22 characters of base64url. */
  userId: string
  /** Milliseconds after which the reply is ignored. */
  timeLeft: number
}

/** A request for two lines of the record of a user. */
export interface DatabaseLinesRead extends DatabaseRead {
  /** A line break and the start of a line. At most one line of the record starts so. */
  line: string
}

/** A request to replace the record of a user. */
export interface DatabaseWrite {
  /** 22 characters of base64url. */
  userId: string
  /** The text that was read. Null if there was no record: the write then inserts one. */
  before: string | null
  /** The `version` that was read. */
  version: unknown
  /** The new text. It differs from `before`. */
  after: string
  /** The time at which the record may be deleted, in epoch milliseconds. */
  expiresAt: number
  /**
   * The time by the database's clock from which on the write must not happen, in epoch milliseconds. Check it in the
   * same atomic step, because a database that hung runs old commands late.
   */
  until: number
  /** Milliseconds after which the reply is ignored. */
  timeLeft: number
}

/** A database for `databaseStore`. Its functions may answer at once or with a promise. */
export interface SessionDatabase {
  /** Returns the record of a user, and the time. Every guarded request reads once. */
  read (request: DatabaseRead): DatabaseRecord | Promise<DatabaseRecord>

  /**
   * Optional: returns the first line of the record of a user, followed by the line that starts with `line`, or null if
   * the user has no record. Guarded requests then read this way. They transfer one session, however many the user has.
   * Other lines may follow the first too. They are ignored.
   *
   * @default returns the whole record of `read`
   */
  readLines? (request: DatabaseLinesRead): string | null | Promise<string | null>

  /**
   * Replaces the record of a user. Returns true if it did. Returns false, without any change, if the record is not
   * `before`, or if the time is not before `until`.
   */
  write (request: DatabaseWrite): boolean | Promise<boolean>

  /**
   * Optional: returns whether an error certainly means that nothing was written, and that another attempt may succeed.
   * Examples are a deadlock and a serialization failure. The store then repeats the call until its timeout. After
   * an error of the connection the outcome is unknown, so return false.
   *
   * @default () => false
   */
  isRetryable? (error: unknown): boolean

  /**
   * Optional: deletes some records whose `expiresAt` has passed by the database's clock, 100 for example. The store
   * calls it after its first write and after every 100th. Its result and its errors are ignored. A database that
   * expires records itself needs none.
   */
  deleteExpired? (): unknown
}
