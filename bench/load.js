/** The load generator in a separate process: autocannon, with responses timed in microseconds. */
import { createHistogram } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { burst } from './lib/burst.js'
import { serve } from './lib/rpc.js'
import { shuffled } from './lib/statistics.js'

/**
 * Sends requests for `seconds` and returns the measurements.
 *
 * @param url the requested URL
 * @param headers the headers of each user. Every connection uses them in a different random order.
 * @param body the body of a POST request. `[<id>]` is replaced by a new id in each request.
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
  let responses = 0
  load.on('response', (_client, statusCode, _bytes, milliseconds) => {
    last = performance.now()
    first ??= last
    responses++
    statusCodes[statusCode] = (statusCodes[statusCode] ?? 0) + 1
    latencies.record(Math.max(1, Math.round(milliseconds * 1000)))
  })
  const { non2xx, errors } = await load
  if (responses < 2) throw new Error(`${url} does not respond`)
  const elapsed = (last - first) / 1000
  return {
    rps: responses / elapsed,
    p50: latencies.percentile(50) / 1000,
    p99: latencies.percentile(99) / 1000,
    seconds: elapsed,
    failures: non2xx + errors,
    statusCodes
  }
}

serve({ run, burst })
