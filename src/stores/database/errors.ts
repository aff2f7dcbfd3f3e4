/** The errors of a store over a database. docs/observability.md lists them. */
import type { StoreError } from '../store-error.js'

export const TIMEOUT: StoreError = {
  code: 'WEAPP_DATABASE_TIMEOUT',
  message: 'The database did not complete the operation in time. Check its load, its locks and the size of the pool.'
}
export const TOO_MANY_WAITING: StoreError = {
  code: 'WEAPP_DATABASE_TOO_MANY_WAITING',
  message: 'Too many operations wait for the database. Check its load, its locks and the size of the pool.'
}
export const INVALID_REPLY: StoreError = {
  code: 'WEAPP_DATABASE_INVALID_REPLY',
  message: 'A function of databaseStore returned an invalid value. Return what the type SessionDatabase requires.'
}
export const AUTOCOMMIT_OFF: StoreError = {
  code: 'WEAPP_DATABASE_AUTOCOMMIT_OFF',
  message: 'Autocommit is off, so nothing would be stored. Switch it on for the connections of the pool.'
}
export const TRANSACTION_OPEN: StoreError = {
  code: 'WEAPP_DATABASE_TRANSACTION_OPEN',
  message: 'A transaction is open on the database. Open a connection of its own for the store.'
}
