/** SQLite databases for tests. */
import { join } from 'node:path'
import Database from 'libsql'
import { temporaryDirectory, type Teardown } from './processes.js'

/** Returns the path of a file that the test's end removes. */
export function sqliteFile (t: Teardown): string {
  return join(temporaryDirectory(t), 'sessions.db')
}

/** Opens a file in WAL mode, in which several connections work at once. Without fsync at each write. */
export function openSqlite (file: string): Database.Database {
  const database = new Database(file, { timeout: 0 })
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  return database
}
