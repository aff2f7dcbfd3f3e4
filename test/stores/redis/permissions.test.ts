import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { DAY } from '../../helpers/clock.js'
import { connectRedis, startRedis } from '../../helpers/redis.js'

test('refusals: an operation that Redis refuses rejects', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  await admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', '~*', '+@all')
  const client = connectRedis(t, `redis://weapp:password@127.0.0.1:${server.port}`)
  const store = redisStore({ client })
  const [user, unknown] = [new TestUser(store), new TestUser(store)]
  const { id } = await user.signIn({ key: sealedKey() })
  const configure = (command: string) => admin.call(...command.split(' ') as [string])
  const ban = (user: TestUser) => user.revokeAll('kicked', null, true)

  for (const [state, begin, end] of [
    ['NOREPLICAS', 'CONFIG SET min-replicas-to-write 1', 'CONFIG SET min-replicas-to-write 0'],
    ['READONLY', 'REPLICAOF 127.0.0.1 1', 'REPLICAOF NO ONE']
  ] as const) {
    await configure(begin)
    await t.rejects(ban(user), { message: new RegExp(`^${state}`) }, state)
    await t.rejects(ban(unknown), { message: new RegExp(`^${state}`) }, `${state}, without any session`)
    await configure(end)
    t.equal(await user.isLive(id), true, `unchanged after ${state}`)
  }

  const operations: Record<string, () => Promise<unknown>> = {
    touch: () => user.touch(id, user.now + DAY),
    update: () => user.update(id, '{}'),
    create: () => user.signIn(),
    readKeys: () => user.readKeys(),
    revoke: () => user.revoke(id),
    revokeAll: () => ban(user),
    list: () => user.list(),
    writeKey: () => user.writeKey(sealedKey())
  }
  for (const [command, affected] of Object.entries({
    TYPE: Object.keys(operations),
    HGETALL: ['create', 'readKeys', 'revoke', 'revokeAll', 'list', 'writeKey'],
    HGET: ['touch', 'update', 'create', 'readKeys']
  })) {
    await admin.call('ACL', 'SETUSER', 'weapp', `-${command}`)
    for (const operation of affected) await t.rejects(operations[operation]!(), `${operation} without ${command}`)
    await admin.call('ACL', 'SETUSER', 'weapp', `+${command}`)
    t.equal(await user.isLive(id), true, `unchanged without ${command}`)
  }
  t.equal(await ban(user), 1)
})

test('permissions: the commands that docs/redis.md lists are sufficient', async (t) => {
  const page = readFileSync(new URL('../../../docs/redis.md', import.meta.url), 'utf8')
  const commands = /on the keys `<prefix>\*`: `([^`]+)`/.exec(page)![1]!.split(' ')
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const permitted = commands.map((command) => `+${command}`)
  await admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', '~weapp:*', '-@all', ...permitted)
  const client = connectRedis(t, `redis://weapp:password@127.0.0.1:${server.port}`)
  const store = redisStore({ client })
  await storeSuite((name, check) => t.test(name, check), () => store, { rounds: 1 })
})
