/** The type of a Redis script, its clock, and the fence in front of each script that writes. */
import { createHash } from 'node:crypto'

export interface RedisScript {
  source: string
  sha1: string
}

/** Reads the server's clock, in epoch milliseconds with three decimals. Lua would print such a number as 1.7e+12. */
const CLOCK = `
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local clockText = string.format('%.3f', clock)
`

/**
 * Rejects late writes. A write carries one more argument in front: the time, by the server's clock, at which its caller
 * has given up. A hung server or a disconnected client may deliver it later. The reply is the server's time, followed
 * by the result of the operation unless the write was rejected. An operation that returns nothing rejects it as well.
 */
const FENCE = `
if clock >= tonumber(table.remove(ARGV, 1)) then return { clockText } end
`

/** Joins parts into a script without a fence. The last part returns the reply. Parts may use the locals of CLOCK. */
export function readScript (...parts: string[]): RedisScript {
  return scriptOf(parts)
}

/** Joins parts into a script behind the fence. */
export function writeScript (...parts: string[]): RedisScript {
  return scriptOf([FENCE, 'local function operation()', ...parts, 'end\nreturn { clockText, operation() }\n'])
}

function scriptOf (parts: string[]): RedisScript {
  const source = CLOCK + parts.join('')
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}
