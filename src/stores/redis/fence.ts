/** What a script of the Redis store is, and what comes before each that writes. */
import { createHash } from 'node:crypto'

export interface RedisScript {
  source: string
  sha1: string
}

/**
 * Comes before every write, with one more argument in front: the time by the server's own clock from which on the caller
 * has been told that it failed. A write that waited longer, in a server that hung or in a client that was cut off, is
 * refused. The answer is the server's time, then what the operation gives unless it was refused.
 */
const FENCE = `
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if clock >= tonumber(table.remove(ARGV, 1)) then return { clock } end
`

/** A script of parts that run one after another; the last gives the answer. */
export function readScript (...parts: string[]): RedisScript {
  return scriptOf(parts)
}

/** The same behind the fence. */
export function writeScript (...parts: string[]): RedisScript {
  return scriptOf([FENCE, 'local function operation()', ...parts, 'end\nreturn { clock, operation() }\n'])
}

function scriptOf (parts: string[]): RedisScript {
  const source = parts.join('')
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}
