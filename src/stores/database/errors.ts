/** Errors of the store itself. They have a code, because logs contain only the code. */

export const TIMEOUT = {
  code: 'WEAPP_DATABASE_TIMEOUT', message: 'The database did not complete the operation in time'
}
export const TOO_MANY_WAITING = {
  code: 'WEAPP_DATABASE_TOO_MANY_WAITING', message: 'Too many operations wait for the database'
}
export const INVALID_REPLY = {
  code: 'WEAPP_DATABASE_INVALID_REPLY', message: 'The reply of the database has another type than its contract says'
}
export const AUTOCOMMIT_OFF = {
  code: 'WEAPP_DATABASE_AUTOCOMMIT_OFF',
  message: 'Autocommit is off, so nothing would be stored. Switch it on for the connections of the pool.'
}
export const TRANSACTION_OPEN = {
  code: 'WEAPP_DATABASE_TRANSACTION_OPEN',
  message: 'A transaction is open on the database. Open a database of its own for the store.'
}

export function databaseError ({ code, message }: { code: string, message: string }): Error {
  return Object.assign(new Error(message), { code })
}
