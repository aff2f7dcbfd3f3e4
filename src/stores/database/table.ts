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

/** A database that also reads single lines. */
export type TableDatabase = SessionDatabase & Required<Pick<SessionDatabase, 'readLines'>>

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
  database: TableDatabase, createTable: unknown, option: string, create: () => void | Promise<unknown>
): TableDatabase {
  if (!booleanOption(createTable, option)) return database
  let isCreated = false
  let creating: Promise<void> | null = null

  async function settled (creation: Promise<unknown>): Promise<void> {
    try {
      await creation
      isCreated = true
    } finally {
      creating = null
    }
  }

  function afterCreation<Request, Reply> (read: (request: Request) => Reply | Promise<Reply>): typeof read {
    return (request) => {
      if (!isCreated && creating === null) {
        const result = create()
        if (isThenable(result)) creating = settled(result)
        else isCreated = true
      }
      return creating === null ? read(request) : creating.then(() => read(request))
    }
  }
  return { ...database, read: afterCreation(database.read), readLines: afterCreation(database.readLines) }
}
