/**
 * The scripts of the Redis store. Each is atomic on the hash of one user, KEYS[1], so each runs on a Cluster.
 * They need Redis 6.0 or later. Proxies that parse scripts (Alibaba Cloud's clusters) require that each command's key
 * is written as KEYS[1], not as a variable, and do not support `unpack`.
 *
 * Fields of ordinary users have at most 64 bytes, because Redis stores such a hash in half the memory. The guard reads
 * only `m`, `o` and `d`, because each further field costs the client time. The fields are:
 *
 *     o  openid and unionid             m<session>  a live session: 1,order,createdAt,expiresAt,idleExpiresAt
 *     k  newest sealed key                          an ended session: 1,!reason,order,until
 *     f  its fingerprint                d<session>  label and data: the label is a first line :"label"
 *     p  previous sealed key                        and data is =data
 *     n  when pending logins were ended, while one of those logins may still be in flight
 *
 * An absent field is null. Times are 13 digits of epoch milliseconds. The caller formats them, because Lua prints such
 * numbers as 1.7e+12. `order` numbers the user's events: creations of live sessions, endings of ended ones.
 *
 * Versions: a session's value starts with the version of the store that wrote it (RECORD_VERSION). A session of another
 * version, or in any other form, is not live and not ended. It reads as unreadable, does not count towards the limit,
 * and is not listed, touched, updated or revoked, also not by revokeAll. A login adds its own session next to it. No
 * script removes or rewrites its fields, or lets the key expire earlier than before. While it exists, `o`, `k`, `f` and
 * `p` stay as well, until a login or writeKey of this version stores its own.
 *
 * Memory: Redis checks `maxmemory` once per script, at its first write that may need memory. END and TOUCH write a
 * harmless HDEL first, so a full Redis still ends and keeps sessions. CREATE, UPDATE and WRITE_KEY begin with the HSET
 * that needs the memory, so a refused one changes nothing.
 *
 * Each script is followed by the function that makes its arguments, in the order of the script's first lines.
 */
import {
  PENDING_LOGIN_TTL_MS, type CreateSession, type EndReason, type SealedKey, type SessionRef, type UserRef
} from '../store.js'
import { readScript, writeScript } from './fence.js'
import { encodeContent, encodeDataField, encodeUser, REASON_LETTERS } from './records.js'
import { LOAD, ONE, PRELUDE, SAVE } from './script-parts.js'

/** Returns 0 if pending logins were ended after startedAt. */
export const CREATE = writeScript(PRELUDE, LOAD, SAVE, `
local id = ARGV[2]
local times = ARGV[3]
local idleExpiresAt = ARGV[4]
local startedAt = tonumber(ARGV[5])
local limit = tonumber(ARGV[6])
local replaces = ARGV[7]
local user = ARGV[8]
local content = ARGV[9]
local sealed, fingerprints = ARGV[10], after(ARGV, 10)

local loginsEnded = isHash and redis.call('HGET', KEYS[1], 'n')
if loginsEnded then
  local age = tonumber(loginsEnded) - startedAt
  if age > 0 and age < ${PENDING_LOGIN_TTL_MS} then return 0 end
end
load()
-- First, because Redis refuses a script without free memory at this write only. A refused login changes nothing.
redis.call('HSET', KEYS[1], 'o', user, 'm' .. id, VERSION .. nextOrder() .. ',' .. times)
if content == '' then redis.call('HDEL', KEYS[1], 'd' .. id) else redis.call('HSET', KEYS[1], 'd' .. id, content) end
-- Before \`replaces\` is removed, so that a login that replaces the user's only session keeps the previous key.
if #live == 0 and not hasUnknown then removeKeys() end
for _, list in ipairs({ live, ended }) do
  for i = #list, 1, -1 do
    if list[i].id == replaces then
      removeSession(replaces)
      table.remove(list, i)
    end
  end
end
local excess, oldest = limit and math.min(#live, #live - limit + 1) or 0, {}
for i = 1, excess do oldest[i] = live[i] end
endSessions(oldest, '${REASON_LETTERS.replaced}')
live = after(live, excess)
live[#live + 1] = { id = id, last = idleExpiresAt }
if sealed then setKey(sealed, fingerprints) else removeKeys() end
save()
return 1
`)

export function createArguments (
  { now, startedAgo, openid, unionid, session, key, limit, replaces }: CreateSession
): string[] {
  const { id, createdAt, expiresAt, idleExpiresAt, label, data } = session
  return listOf({
    now,
    id,
    times: `${createdAt},${expiresAt},${idleExpiresAt}`,
    idleExpiresAt,
    startedAt: now - startedAgo,
    limit: limit ?? '',
    replaces: replaces ?? '',
    user: encodeUser(openid, unionid),
    content: encodeContent(label, data)
  }).concat(key === null ? [] : keyArguments(key))
}

/** Returns 0 if the session is not live. Reads one session only, so the key's expiry can only move later. */
export const TOUCH = writeScript(PRELUDE, ONE, `
local idleExpiresAt = ARGV[3]

if tonumber(idleExpiresAt) > tonumber(idle) then
  allowWithoutMemory()
  local value = VERSION .. count .. ',' .. created .. ',' .. expires .. ',' .. idleExpiresAt
  redis.call('HSET', KEYS[1], 'm' .. id, value)
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and clock + left < tonumber(idleExpiresAt) then redis.call('PEXPIREAT', KEYS[1], idleExpiresAt) end
end
return 1
`)

export function touchArguments (
  { now, sessionId, idleExpiresAt }: SessionRef & { idleExpiresAt: number }
): string[] {
  return listOf({ now, id: sessionId, idleExpiresAt })
}

/** Returns 0 if the session is not live. Keeps the label. */
export const UPDATE = writeScript(PRELUDE, ONE, `
local data = ARGV[3]

local label = (redis.call('HGET', KEYS[1], 'd' .. id) or ''):match('^:[^\\n]*\\n') or ''
local content = label .. data
if content == '' then redis.call('HDEL', KEYS[1], 'd' .. id) else redis.call('HSET', KEYS[1], 'd' .. id, content) end
return 1
`)

export function updateArguments ({ now, sessionId, data }: SessionRef & { data: string | null }): string[] {
  return listOf({ now, id: sessionId, data: encodeDataField(data) })
}

/** Ends the session `id`, or all sessions except `id`. Returns the number of ended sessions. */
export const END = writeScript(PRELUDE, LOAD, SAVE, `
local reason = ARGV[2]
local isOnly = ARGV[3] == 'only'
local id = ARGV[4]
local endsLogins = ARGV[5] == 'logins' and isHash

allowWithoutMemory()
load()
local rest, ending = {}, {}
for _, session in ipairs(live) do
  table.insert((session.id == id) == isOnly and ending or rest, session)
end
if endsLogins then redis.call('HSET', KEYS[1], 'n', ARGV[1]) end
endSessions(ending, reason)
live = rest
if endsLogins or #ending > 0 or #over > 0 then save() end
return #ending
`)

export function endArguments (
  { now, reason, scope, id, pendingLogins = false }:
  UserRef & { reason: EndReason, scope: 'only' | 'except', id: string | null, pendingLogins?: boolean }
): string[] {
  return listOf({
    now,
    reason: REASON_LETTERS[reason],
    scope,
    id: id ?? '',
    logins: pendingLogins ? 'logins' : ''
  })
}

/** Returns id, session and content of each live session, oldest first. */
export const LIST = readScript(PRELUDE, LOAD, `
load()
for i, session in ipairs(live) do
  local id = session.id
  local fields = redis.call('HMGET', KEYS[1], 'm' .. id, 'd' .. id)
  live[i] = { id, fields[1], fields[2] }
end
return live
`)

/** Returns the sealed keys, newest first. */
export const READ_KEYS = readScript(PRELUDE, LOAD, `
load()
local keys = {}
if #live > 0 then
  for _, field in ipairs({ 'k', 'p' }) do
    keys[#keys + 1] = redis.call('HGET', KEYS[1], field) or nil
  end
end
return keys
`)

export function readArguments ({ now }: UserRef): string[] {
  return listOf({ now })
}

/** Returns 0 if no session is live. */
export const WRITE_KEY = writeScript(PRELUDE, LOAD, SAVE, `
local sealed, fingerprints = ARGV[2], after(ARGV, 2)

load()
if #live == 0 then return 0 end
setKey(sealed, fingerprints)
return 1
`)

export function writeKeyArguments ({ now, key }: UserRef & { key: SealedKey }): string[] {
  return listOf({ now }).concat(keyArguments(key))
}

function keyArguments ({ sealed, fingerprints }: SealedKey): string[] {
  return [sealed, ...fingerprints]
}

/** Returns the values in the order in which the object names them. */
function listOf (named: Record<string, string | number>): string[] {
  return Object.values(named).map(String)
}
