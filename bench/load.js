/** The load generator, in a process of its own: autocannon, its answers counted and timed to the microsecond. */
import { createHistogram } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { burst } from './lib/burst.js'
import { serve } from './lib/rpc.js'
import { shuffled } from './lib/statistics.js'

/**
 * @param url what is asked
 * @param headers a set of headers for each user, who take turns in another order on every connection
 * @param body sent by POST, `[<id>]` in it replaced by something new each time
 */
async function run ({ url, headers = [{}], body, connections, seconds }) {
  const requests = headers.map((ofUser) => ({ headers: ofUser }))
  const users = { setupClient: (client) => client.setRequests(shuffled(requests)) }
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body, idReplacement: true }
  const load = autocannon({
    url, connections, duration: seconds, sampleInt: 100, excludeErrorStats: true, ...body === undefined ? users : post
  })

  const latencies = createHistogram()
  const statusCodes = {}
  let first
  let last
  let answers = 0
  load.on('response', (_client, statusCode, _bytes, milliseconds) => {
    last = performance.now()
    first ??= last
    answers++
    statusCodes[statusCode] = (statusCodes[statusCode] ?? 0) + 1
    latencies.record(Math.max(1, Math.round(milliseconds * 1000)))
  })
  const { non2xx, errors } = await load
  if (answers < 2) throw new Error(`${url} does not answer`)
  const took = (last - first) / 1000
  return {
    rps: answers / took,
    p50: latencies.percentile(50) / 1000,
    p99: latencies.percentile(99) / 1000,
    seconds: took,
    failures: non2xx + errors,
    statusCodes
  }
}

serve({ run, burst })
