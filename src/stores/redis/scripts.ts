/**
 * The scripts of the Redis store: each is atomic on the one hash of one user, KEYS[1], so each runs on a Cluster.
 * They need Redis 6.0 or later. A service in the cloud whose proxy reads scripts (Alibaba Cloud's clusters) wants each
 * command's key written as KEYS[1], so no variable holds it, and knows no `unpack`.
 *
 * The hash is kept small, in fields of at most 64 bytes for ordinary users, because Redis stores such a hash in half
 * the memory; and what the guard reads is in few of them, because a client pays for each:
 *
 *     o  openid and unionid             m<session>  a live session: order,createdAt,expiresAt,idleExpiresAt
 *     k  newest sealed key                          or why it ended: !reason,order,until
 *     f  fingerprint of it              d<session>  label and data: a label is a line before it, :"label"
 *     p  previous sealed key                        and data is =data
 *     n  when pending logins were ended, for as long as one of those may be on its way
 *
 * An absent field is null. Times are 13 digits of epoch milliseconds, written by the caller and never by Lua, whose
 * numbers print as 1.7e+12. `order` counts what happened to the user: creations among the live, endings among the
 * ended. A value of another form was not written here: it is neither live nor ended, and it is left alone.
 */
import { readScript, writeScript } from './fence.js'
import { PENDING_LOGIN_TTL_MS, MAX_END_REASONS } from '../store.js'

/** ARGV[1] is `now` in every script. */
const PRELUDE = `
local now = tonumber(ARGV[1])
local TIME = ('%d'):rep(13)
local LIVE = '^(%d+),(' .. TIME .. '),(' .. TIME .. '),(' .. TIME .. ')$'
local ENDED = '^!([rkp]),(%d+),(' .. TIME .. ')$'

-- A key of another type holds nothing of ours, and stays as it is. Any other failure of a command is one of the operation.
local kind = redis.call('TYPE', KEYS[1]).ok
local isOurs = kind == 'hash' or kind == 'none'
`

/** The whole user: what is live (by age), what has ended (by order of ending), and which sessions are over. */
const LOAD = `
local live, ended, over, order = {}, {}, {}, 0

local function load()
  local fields = isOurs and redis.call('HGETALL', KEYS[1]) or {}
  for i = 1, #fields, 2 do
    local id = fields[i]:match('^m(.+)$')
    if id then
      local value, list = fields[i + 1], live
      local count, created, expires, last = value:match(LIVE)
      if not count then
        local _
        list = ended
        _, count, last = value:match(ENDED)
      end
      if count then
        order = math.max(order, tonumber(count))
        if tonumber(last) <= now then list = over end
        list[#list + 1] = { id = id, order = tonumber(count), created = tonumber(created), last = last }
      end
    end
  end
  table.sort(live, function (a, b)
    if a.created ~= b.created then return a.created < b.created end
    return a.order < b.order
  end)
  table.sort(ended, function (a, b) return a.order < b.order end)
end
`

/** Changes to the user. Whatever adds or ends a session calls `save` last, which forgets what is over. */
const SAVE = `
local function nextOrder()
  order = order + 1
  return string.format('%.0f', order)
end

local function remove(id)
  redis.call('HDEL', KEYS[1], 'm' .. id, 'd' .. id)
end

-- What follows the first \`count\` of a list. Taking them out one by one would move all others each time.
local function after(list, count)
  local rest = {}
  for i = math.max(count, 0) + 1, #list do rest[#rest + 1] = list[i] end
  return rest
end

-- Ends sessions, oldest first. Only as many reasons are written as are kept.
local function finish(sessions, reason)
  for i, session in ipairs(sessions) do
    remove(session.id)
    if i > #sessions - ${MAX_END_REASONS} then
      redis.call('HSET', KEYS[1], 'm' .. session.id, '!' .. reason .. ',' .. nextOrder() .. ',' .. session.last)
      ended[#ended + 1] = session
    end
  end
end

-- ARGV from \`first\`: the sealed key and its fingerprints.
local function keepKey(first)
  local kept = redis.call('HMGET', KEYS[1], 'k', 'f')
  local sealed, fingerprint, same = kept[1], kept[2], false
  for i = first + 1, #ARGV do same = same or ARGV[i] == fingerprint end
  if sealed and not same then redis.call('HSET', KEYS[1], 'p', sealed) end
  redis.call('HSET', KEYS[1], 'k', ARGV[first], 'f', ARGV[first + 1])
end

local function forgetKeys()
  redis.call('HDEL', KEYS[1], 'k', 'p', 'f')
end

-- Who it was: the reasons of ended sessions tell it nobody.
local function forgetUser()
  forgetKeys()
  redis.call('HDEL', KEYS[1], 'o')
end

local function save()
  for _, session in ipairs(over) do remove(session.id) end
  for i = 1, #ended - ${MAX_END_REASONS} do remove(ended[i].id) end
  ended = after(ended, #ended - ${MAX_END_REASONS})
  if #live == 0 then forgetUser() end
  local loginsEnded = redis.call('HGET', KEYS[1], 'n')
  local latest = loginsEnded and string.format('%.0f', tonumber(loginsEnded) + ${PENDING_LOGIN_TTL_MS}) or '0'
  for _, list in ipairs({ live, ended }) do
    for _, session in ipairs(list) do
      if tonumber(session.last) > tonumber(latest) then latest = session.last end
    end
  end
  redis.call('PEXPIREAT', KEYS[1], latest)
end
`

/** A single session that is live, for the scripts that look at nothing else of the user. */
const ONE = `
local field = 'm' .. ARGV[2]
local value = isOurs and redis.call('HGET', KEYS[1], field)
if not value then return 0 end
local count, created, expires, idle = value:match(LIVE)
if not count or tonumber(idle) <= now then return 0 end
`

/**
 * ARGV: now, id, what follows the order in the session's value, idleExpiresAt, limit or '', replaces or '', openid and
 * unionid as they are kept, label and data as they are kept or '', startedAt, then the key and its fingerprints or
 * nothing. Gives 0 when pending logins were ended after startedAt.
 */
export const CREATE = writeScript(PRELUDE, LOAD, SAVE, `
local loginsEnded = isOurs and redis.call('HGET', KEYS[1], 'n')
if loginsEnded then
  local age = tonumber(loginsEnded) - tonumber(ARGV[9])
  if age > 0 and age < ${PENDING_LOGIN_TTL_MS} then return 0 end
end
load()
-- Before \`replaces\` is removed: a login over the user's only session keeps the key that it had.
if #live == 0 then forgetKeys() end
for _, list in ipairs({ live, ended }) do
  for i = #list, 1, -1 do
    if list[i].id == ARGV[6] then table.remove(list, i) end
  end
end
if ARGV[6] ~= '' then remove(ARGV[6]) end
local id, limit, oldest = ARGV[2], tonumber(ARGV[5]), {}
local excess = limit and math.min(#live, #live - limit + 1) or 0
for i = 1, excess do oldest[i] = live[i] end
finish(oldest, 'p')
live = after(live, excess)
live[#live + 1] = { id = id, last = ARGV[4] }
redis.call('HSET', KEYS[1], 'o', ARGV[7], 'm' .. id, nextOrder() .. ARGV[3])
if ARGV[8] == '' then redis.call('HDEL', KEYS[1], 'd' .. id) else redis.call('HSET', KEYS[1], 'd' .. id, ARGV[8]) end
if ARGV[10] then keepKey(10) else forgetKeys() end
save()
return 1
`)

/** ARGV: now, id, idleExpiresAt. The hash is not read whole: the time of the key moves only to a later one. */
export const TOUCH = writeScript(PRELUDE, ONE, `
if tonumber(ARGV[3]) > tonumber(idle) then
  redis.call('HSET', KEYS[1], field, count .. ',' .. created .. ',' .. expires .. ',' .. ARGV[3])
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and clock + left < tonumber(ARGV[3]) then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
end
return 1
`)

/** ARGV: now, id, =data or ''. The label stays. */
export const UPDATE = writeScript(PRELUDE, ONE, `
local field = 'd' .. ARGV[2]
local label = (redis.call('HGET', KEYS[1], field) or ''):match('^:[^\\n]*\\n') or ''
if label .. ARGV[3] == '' then redis.call('HDEL', KEYS[1], field) else redis.call('HSET', KEYS[1], field, label .. ARGV[3]) end
return 1
`)

/** ARGV: now, reason, 'only' or 'except', id, 'logins' where pending ones end too. Gives how many sessions it ended. */
export const END = writeScript(PRELUDE, LOAD, SAVE, `
load()
local rest, ending = {}, {}
for _, session in ipairs(live) do
  table.insert((session.id == ARGV[4]) == (ARGV[3] == 'only') and ending or rest, session)
end
local endsLogins = ARGV[5] == 'logins' and isOurs
if endsLogins then redis.call('HSET', KEYS[1], 'n', ARGV[1]) end
finish(ending, ARGV[2])
live = rest
if endsLogins or #ending > 0 or #over > 0 then save() end
return #ending
`)

/** ARGV: now. Gives id, session and data of each live session, oldest first. */
export const LIST = readScript(PRELUDE, LOAD, `
load()
for i, session in ipairs(live) do
  local id = session.id
  local fields = redis.call('HMGET', KEYS[1], 'm' .. id, 'd' .. id)
  live[i] = { id, fields[1], fields[2] }
end
return live
`)

/** ARGV: now. Gives the sealed keys, newest first. */
export const READ_KEYS = readScript(PRELUDE, LOAD, `
load()
local keys = {}
if #live > 0 then
  for _, sealed in ipairs({ 'k', 'p' }) do
    keys[#keys + 1] = redis.call('HGET', KEYS[1], sealed) or nil
  end
end
return keys
`)

/** ARGV: now, then the key and its fingerprints. */
export const WRITE_KEY = writeScript(PRELUDE, LOAD, SAVE, `
load()
if #live == 0 then return 0 end
keepKey(2)
return 1
`)
