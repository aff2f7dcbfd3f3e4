/** Measures guarded requests and logins over each database, next to statements by hand with the same driver. */
import { DATABASES } from '../lib/databases.js'
import { startModule } from '../lib/processes.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'

const USERS = 100

const nameIn = (store, side) => `${side} (${store})`

/** The largest cost of a guarded request by hand is 1 / 1.3 of that of the plugin. */
export const targets = Object.keys(DATABASES).flatMap((store) => [
  { side: nameIn(store, 'guard'), reference: nameIn(store, 'guard by hand'), atLeast: 0.77 },
  {
    side: nameIn(store, 'guard, ten sessions of 1 KiB'),
    reference: nameIn(store, 'guard by hand, 1 KiB'),
    atLeast: 0.77
  }
])

export async function run ({ load, wechat, processes, pace }) {
  const wechatUrl = await wechat(0)
  const results = {}
  for (const [store, { start }] of Object.entries(DATABASES)) {
    const database = await start()
    for (let process = 0; process < processes; process++) {
      const server = await startModule('server', 'server.js', { args: ['databases'] })
      const params = { name: store, databaseUrl: database.url, wechatUrl, users: USERS }
      const offered = await server.call('setup', params)
      const sides = Object.entries(offered.sides)
        .map(([side, request]) => ({ name: nameIn(store, side), server, request }))
      await measureInterleaved(load, sides, pace, results)
      await server.stop()
    }
    await database.stop()
  }
  return { sides: summarized(results) }
}
