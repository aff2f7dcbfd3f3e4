import { test } from 'tap'
import { until } from '../../helpers/processes.js'
import { cacheIsOn, FAST, redisCachedHost, signInCached } from '../../helpers/redis-cached-host.js'
import { connectionsReceived, connectRedis, redisMajorVersion, startRedis } from '../../helpers/redis.js'

const INCAPABLE: Record<string, { options?: string[], forbid?: string[], permit?: string[] }> = {
  'CLIENT TRACKING is forbidden': { forbid: ['-client|tracking'], permit: ['+client|tracking'] },
  'CLIENT ID is forbidden': { forbid: ['-client|id'], permit: ['+client|id'] },
  'the channel is forbidden': { forbid: ['resetchannels'], permit: ['allchannels'] },
  'CLIENT is unknown': { options: ['--rename-command', 'CLIENT', ''] }
}

for (const [name, { options = [], forbid, permit }] of Object.entries(INCAPABLE)) {
  const skip = forbid !== undefined && redisMajorVersion() < 7 &&
    'before Redis 7 no rules apply to channels and subcommands'
  test(`no tracking: the store works without the cache if ${name}`, { skip }, async (t) => {
    const server = await startRedis(t, options)
    const admin = connectRedis(t, server.url)
    const setUser = (rules: string[]) => admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', '~*', ...rules)
    if (forbid !== undefined) await setUser(['allchannels', '+@all', ...forbid])
    const url = forbid === undefined ? server.url : `redis://weapp:password@127.0.0.1:${server.port}`
    const b = await redisCachedHost(t, url, { timing: FAST })
    const { token } = await b.signIn()
    for (let i = 0; i < 3; i++) t.equal(await b.readsOf(async () => t.equal(await b.stateOf(token), 'live')), 1)

    const first = await connectionsReceived(admin)
    await until('it is retried', async () => await connectionsReceived(admin) > first)
    const start = performance.now()
    const second = await connectionsReceived(admin)
    await until('it is retried again', async () => await connectionsReceived(admin) > second)
    const ms = performance.now() - start
    t.ok(ms > FAST.maxRetryDelay / 2, `after ${ms.toFixed(0)} ms`)
    t.strictSame(b.watched.states, [], 'the cache stays off')
    await b.post('/weapp/logout', undefined, token)
    t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_REVOKED')

    if (permit !== undefined) {
      await setUser(permit)
      await cacheIsOn(b)
      await signInCached(t, b, b)
    }
  })
}
