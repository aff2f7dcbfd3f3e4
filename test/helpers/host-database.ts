/** A store over two functions of a host, which a test replaces to let them fail. */
import type {
  DatabaseLinesRead, DatabaseRead, DatabaseRecord, DatabaseWrite, SessionDatabase
} from '../../src/stores/database/contract.js'
import { databaseStore } from '../../src/stores/database/store.js'
import type { SessionStore } from '../../src/stores/store.js'
import { TestUser } from '../../src/testing/store-suite/test-user.js'
import { VersionedTable } from './versioned-table.js'

type Read = (request: DatabaseRead) => Promise<DatabaseRecord>
type ReadLines = (request: DatabaseLinesRead) => Promise<string | null>
type Write = (request: DatabaseWrite) => Promise<boolean>

export interface Faults extends Pick<SessionDatabase, 'isRetryable' | 'deleteExpired'> {
  timeout?: number | string
  /** Replaces a function. Receives the request and the function. */
  read?: (request: DatabaseRead, read: Read) => unknown
  /** The database reads no lines without it. */
  readLines?: (request: DatabaseLinesRead, readLines: ReadLines) => unknown
  write?: (request: DatabaseWrite, write: Write) => unknown
}

export interface Opened {
  store: SessionStore
  user: TestUser
  table: VersionedTable
  /** All calls of the store, in order. */
  calls: ('read' | 'readLines' | 'write')[]
}

/** Returns a store over a table with versions. */
export function openDatabaseStore (
  { timeout = '1h', read, readLines, write, ...others }: Faults = {}, table = new VersionedTable()
): Opened {
  const calls: Opened['calls'] = []
  const readTable: Read = async ({ userId }) => {
    const { item, time } = await table.get(userId)
    return { record: item?.text ?? null, version: item?.version ?? null, time }
  }
  const readTableLines: ReadLines = async ({ userId, line }) => {
    const text = (await table.get(userId)).item?.text
    return text === undefined ? null : firstAndOther(text, line)
  }
  const writeTable: Write = ({ userId, after, expiresAt, version, until }) => {
    return table.put(userId, { text: after, expiresAt }, { version: version as string | null, until })
  }
  const store = databaseStore({
    read: (request) => {
      calls.push('read')
      return (read === undefined ? readTable(request) : read(request, readTable)) as Promise<DatabaseRecord>
    },
    ...readLines !== undefined && {
      readLines: (request: DatabaseLinesRead) => {
        calls.push('readLines')
        return readLines(request, readTableLines) as Promise<string | null>
      }
    },
    write: (request) => {
      calls.push('write')
      return (write === undefined ? writeTable(request) : write(request, writeTable)) as Promise<boolean>
    },
    timeout,
    ...others
  })
  return { store, user: new TestUser(store), table, calls }
}

/** Returns the first line of a text, and the one that starts so. */
function firstAndOther (text: string, start: string): string {
  const lines = text.split('\n')
  return [lines[0], ...lines.filter((line) => `\n${line}`.startsWith(start))].join('\n')
}
