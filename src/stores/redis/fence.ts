/** The type of a Redis script, and the fence in front of each script that writes. */
import { createHash } from 'node:crypto'

export interface RedisScript {
  source: string
  sha1: string
}

/**
 * Rejects late writes. A write carries one more argument in front: the time, by the server's clock, at which its caller
 * has given up. A hung server or a disconnected client may deliver it later. The reply is the server's time, followed
 * by the result of the operation unless the write was rejected.
 */
const FENCE = `
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if clock >= tonumber(table.remove(ARGV, 1)) then return { clock } end
`

/** Joins parts into a script without a fence. The last part returns the reply. */
export function readScript (...parts: string[]): RedisScript {
  return scriptOf(parts)
}

/** Joins parts into a script behind the fence. They may use its local `clock`, in epoch milliseconds. */
export function writeScript (...parts: string[]): RedisScript {
  return scriptOf([FENCE, 'local function operation()', ...parts, 'end\nreturn { clock, operation() }\n'])
}

function scriptOf (parts: string[]): RedisScript {
  const source = parts.join('')
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}
