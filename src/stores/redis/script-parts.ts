/** The parts that scripts.ts builds its scripts from. */
import { PENDING_LOGIN_TTL_MS, MAX_END_REASONS } from '../store.js'
import { VALUE_VERSION } from './hash.js'

/** Parses `now`, the first argument of every script, and checks the key's type. */
export const PRELUDE = `
local now = tonumber(ARGV[1])
local VERSION = '${VALUE_VERSION},'
local TIME = ('%d'):rep(13)
local CLOCK = TIME .. '%.%d%d%d'
local LIVE = '^' .. VERSION .. '(%d+),(' .. TIME .. '),(' .. TIME .. '),(' .. TIME .. ')$'
local ENDED = '^' .. VERSION .. '!([rkp]),(%d+),(' .. TIME .. '),(%d+%.?%d*)$'
local LOGINS_ENDED = '^([rkp])(' .. CLOCK .. ')$'

-- A key of another type contains no sessions and is left alone. Any other failure of a command fails the operation.
local keyType = redis.call('TYPE', KEYS[1]).ok
local isHash = keyType == 'hash' or keyType == 'none'

-- Redis checks for free memory at the first write of a script. HDEL needs none, and no user has this field.
local function allowWithoutMemory()
  if isHash then redis.call('HDEL', KEYS[1], '-') end
end

-- Returns the reason and the time of the latest end of all pending logins, or nil.
local function loginsEnded()
  return (isHash and redis.call('HGET', KEYS[1], 'n') or ''):match(LOGINS_ENDED)
end

-- Returns the time until which an end may refuse a login that is in flight.
local function refusesUntil(endedAt)
  return tonumber(endedAt) + ${PENDING_LOGIN_TTL_MS}
end
`

/**
 * Reads the whole user: live sessions by age, ended ones by order of ending, and expired ones of both kinds. An expired
 * reason stays with the ended ones while the time of its end may refuse a login.
 */
export const LOAD = `
local live, ended, over, devices, order = {}, {}, {}, {}, 0
local hasUnknown = false

local function load()
  local fields = isHash and redis.call('HGETALL', KEYS[1]) or {}
  for i = 1, #fields, 2 do
    local kind, id = fields[i]:match('^([mv])(.+)$')
    if kind == 'v' then
      devices[id] = fields[i + 1]
    elseif id then
      local session, list = { id = id, endedAt = '0' }, live
      local count
      count, session.created, session.expires, session.last = fields[i + 1]:match(LIVE)
      if not count then
        list = ended
        session.reason, count, session.last, session.endedAt = fields[i + 1]:match(ENDED)
      end
      if count then
        order = math.max(order, tonumber(count))
        session.order = tonumber(count)
        if tonumber(session.last) <= now and refusesUntil(session.endedAt) <= clock then list = over end
        list[#list + 1] = session
      else
        hasUnknown = true
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

/** Changes the user that LOAD read. A script that adds or ends a session calls `save` last. */
export const SAVE = `
local function nextOrder()
  order = order + 1
  return string.format('%.0f', order)
end

local function sessionOf(list, id)
  for _, session in ipairs(list) do
    if session.id == id then return session end
  end
end

local function removeSession(id)
  redis.call('HDEL', KEYS[1], 'm' .. id, 'd' .. id, 'v' .. id)
end

-- Returns the items of a list after the first \`count\`. Removing those one by one would move all others each time.
local function after(list, count)
  local rest = {}
  for i = math.max(count, 0) + 1, #list do rest[#rest + 1] = list[i] end
  return rest
end

-- Removes the chosen sessions of a list. Returns the others.
local function removeWhere(list, isChosen)
  local rest = {}
  for _, session in ipairs(list) do
    if isChosen(session) then removeSession(session.id) else rest[#rest + 1] = session end
  end
  return rest
end

-- Ends sessions, oldest first. Writes no more reasons than \`save\` keeps. An end that refuses logins keeps the device.
local function endSessions(sessions, reason, endedAt)
  for i, session in ipairs(sessions) do
    local device = endedAt ~= '0' and devices[session.id]
    removeSession(session.id)
    if i > #sessions - ${MAX_END_REASONS} then
      session.endedAt = endedAt
      local value = VERSION .. '!' .. reason .. ',' .. nextOrder() .. ',' .. session.last .. ',' .. endedAt
      redis.call('HSET', KEYS[1], 'm' .. session.id, value)
      if device then redis.call('HSET', KEYS[1], 'v' .. session.id, device) end
      ended[#ended + 1] = session
    end
  end
end

-- The first fingerprint is stored. The others identify the same key under earlier secrets.
local function setKey(sealed, fingerprints)
  local stored = redis.call('HMGET', KEYS[1], 'k', 'f')
  local previous, fingerprint, isSame = stored[1], stored[2], false
  for _, candidate in ipairs(fingerprints) do isSame = isSame or candidate == fingerprint end
  if previous and not isSame then redis.call('HSET', KEYS[1], 'p', previous) end
  redis.call('HSET', KEYS[1], 'k', sealed, 'f', fingerprints[1])
end

local function removeKeys()
  redis.call('HDEL', KEYS[1], 'k', 'p', 'f')
end

local function save()
  for _, session in ipairs(over) do removeSession(session.id) end
  for i = 1, #ended - ${MAX_END_REASONS} do removeSession(ended[i].id) end
  ended = after(ended, #ended - ${MAX_END_REASONS})
  -- The reasons of ended sessions do not need openid and unionid, which are personal data.
  if #live == 0 and not hasUnknown then
    removeKeys()
    redis.call('HDEL', KEYS[1], 'o')
  end
  local _, loginsEndedAt = loginsEnded()
  local latest = refusesUntil(loginsEndedAt or '0')
  for _, list in ipairs({ live, ended }) do
    for _, session in ipairs(list) do
      latest = math.max(latest, tonumber(session.last), refusesUntil(session.endedAt))
    end
  end
  -- A session of another version is not read, so its expiry is unknown: the key may only expire later than before.
  if hasUnknown then
    local left = redis.call('PTTL', KEYS[1])
    if left < 0 or clock + left >= latest then return end
  end
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', latest))
end
`

/** Reads a single live session, whose id is the second argument. Returns 0 from the script if it is not live. */
export const ONE = `
local id = ARGV[2]
local value = isHash and redis.call('HGET', KEYS[1], 'm' .. id)
if not value then return 0 end
local count, created, expires, idle = value:match(LIVE)
if not count or tonumber(idle) <= now then return 0 end
`
