/**
 * The scripts of the Redis store. Each is atomic on the hash of one user, KEYS[1], so each runs on a Cluster.
 * hash.ts describes the hash. The scripts need Redis 6.0 or later. Proxies that parse scripts (Alibaba Cloud's
 * clusters) require that each command's key is written as KEYS[1], not as a variable, and do not support `unpack`.
 *
 * Clocks: `now` comes from the caller and decides which sessions are live. `clock` is the server's own and decides
 * which logins began before an end.
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
import { encodeContent, encodeDataField, encodeUser, REASON_LETTERS } from './hash.js'
import { LOAD, ONE, PRELUDE, SAVE } from './script-parts.js'

/** Returns the letter of the reason that refuses the login, otherwise false. Returns nothing to reject the attempt. */
export const CREATE = writeScript(PRELUDE, LOAD, SAVE, `
local id = ARGV[2]
local times = ARGV[3]
local idleExpiresAt = ARGV[4]
local startedAt = tonumber(ARGV[5])
local duration = tonumber(ARGV[6])
local limit = tonumber(ARGV[7])
local replaces = ARGV[8]
local device = ARGV[9]
local user = ARGV[10]
local content = ARGV[11]
local sealed, fingerprints = ARGV[12], after(ARGV, 12)

local function refusal(reason, endedAt)
  local age = (tonumber(endedAt) or 0) - startedAt
  return age > 0 and age < ${PENDING_LOGIN_TTL_MS} and reason
end

-- Returns the device of a session and the start of its login, or nil.
local function deviceOf(session)
  return (devices[session.id] or ''):match('^(%S+),(' .. CLOCK .. ')$')
end

local function takesPlaceOf(session)
  local owner, began = deviceOf(session)
  return session.id == replaces or owner == device and tonumber(began) < startedAt
end

-- The caller's estimate of the clock is too late: the clock was set back, or is that of another server of a Cluster.
if startedAt > clock - duration then return end
load()
local refused = refusal(loginsEnded())
for _, session in ipairs(ended) do
  local isOwn = session.id == replaces or deviceOf(session) == device
  refused = refused or isOwn and refusal(session.reason, session.endedAt)
end
if refused then return refused end
-- A client may repeat a command after it lost the connection. The first one added the session.
if sessionOf(live, id) or sessionOf(ended, id) then return false end

local others, hasNewer = {}, false
for _, session in ipairs(live) do
  if not takesPlaceOf(session) then
    others[#others + 1] = session
    hasNewer = hasNewer or deviceOf(session) == device
  end
end
local excess, oldest = limit and math.min(#others, #others - limit + 1) or 0, {}
-- The newer login of this device takes the place. Otherwise a repeated login would sign out another device.
if excess > 0 and hasNewer then return '${REASON_LETTERS.replaced}' end

-- First, because Redis refuses a script without free memory at this write only. A refused login changes nothing.
redis.call('HSET', KEYS[1], 'o', user, 'm' .. id, VERSION .. nextOrder() .. ',' .. times)
if content ~= '' then redis.call('HSET', KEYS[1], 'd' .. id, content) end
if device ~= '' then redis.call('HSET', KEYS[1], 'v' .. id, device .. ',' .. ('%.3f'):format(startedAt)) end
-- Before sessions are removed, so that a login that takes the place of the user's only session keeps the previous key.
if #live == 0 and not hasUnknown then removeKeys() end
removeWhere(live, takesPlaceOf)
ended = removeWhere(ended, function (session) return session.id == replaces end)
for i = 1, excess do oldest[i] = others[i] end
endSessions(oldest, '${REASON_LETTERS.replaced}', clockText)
live = after(others, excess)
live[#live + 1] = { id = id, last = idleExpiresAt, endedAt = '0' }
if sealed then setKey(sealed, fingerprints) else removeKeys() end
save()
return false
`)

/** @param clockOffset the server's clock minus `performance.now()`, or a little less */
export function createArguments (
  { now, startedAt, openid, unionid, session, key, limit, replaces, device }: CreateSession, clockOffset: number
): string[] {
  const { id, createdAt, expiresAt, idleExpiresAt, label, data } = session
  return listOf({
    now,
    id,
    times: `${createdAt},${expiresAt},${idleExpiresAt}`,
    idleExpiresAt,
    startedAt: (startedAt + clockOffset).toFixed(3),
    duration: (performance.now() - startedAt).toFixed(3),
    limit: limit ?? '',
    replaces: replaces ?? '',
    device: device ?? '',
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
local endsLogins = ARGV[5] == 'logins'
local endsAllLogins = endsLogins and not isOnly and isHash

allowWithoutMemory()
load()
local rest, ending = {}, {}
for _, session in ipairs(live) do
  table.insert((session.id == id) == isOnly and ending or rest, session)
end
if endsAllLogins then redis.call('HSET', KEYS[1], 'n', reason .. clockText) end
endSessions(ending, reason, endsLogins and clockText or '0')
live = rest
if endsAllLogins or #ending > 0 or #over > 0 then save() end
return #ending
`)

export function endArguments (
  { now, reason, scope, id, pendingLogins }:
  UserRef & { reason: EndReason, scope: 'only' | 'except', id: string | null, pendingLogins: boolean }
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
