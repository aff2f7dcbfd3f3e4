/** What the stores over SQL have in common: their table and its creation. */
import { booleanOption, invalidOption } from '../../utils/validate.js'
import { isThenable } from '../../utils/type-checks.js'
import type { SessionDatabase } from './contract.js'

/** The options of the stores over SQL that name and create the table. */
export interface TableOptions {
  /**
   * The name of the table, optionally after the name of its schema and a dot: ASCII letters, digits and underscores.
   * @default 'weapp_sessions'
   */
  table?: string | undefined
  /**
   * Whether the store creates the table before its first operation, if it does not exist.
   * @default false
   */
  createTable?: boolean | undefined
}

export const DEFAULT_TABLE = 'weapp_sessions'

/** Returns the name of a table, which is safe to insert into SQL. */
export function tableOption (value: unknown, option: string): string {
  if (typeof value !== 'string' || !/^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$/.test(value)) {
    throw invalidOption(option, "must be a name such as 'weapp_sessions' or 'auth.weapp_sessions'")
  }
  return value
}

/**
 * Creates the table before the first read, if `createTable` is true. A creation that failed is repeated.
 *
 * @param option the name of `createTable` for the error
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function withTable (
  database: SessionDatabase, createTable: unknown, option: string, create: () => void | Promise<unknown>
): SessionDatabase {
  if (!booleanOption(createTable, option)) return database
  let created: { result: void | Promise<unknown> } | null = null

  const readAfter: SessionDatabase['read'] = (request) => {
    created ??= { result: create() }
    if (!isThenable(created.result)) return database.read(request)
    return created.result.then(() => database.read(request), (error) => {
      created = null
      throw error
    })
  }
  return { ...database, read: readAfter }
}
