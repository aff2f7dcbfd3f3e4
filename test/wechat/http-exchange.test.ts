import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { Agent, Client, MockAgent } from 'undici'
import { Agent as Agent6, Client as Client6 } from 'undici-6'
import { isDispatcher } from '../../src/wechat/http-exchange.js'

const ORIGIN = 'http://127.0.0.1:1'

for (const [version, dispatchers] of [
  ['undici 6', [new Agent6(), new Client6(ORIGIN), new Agent6().compose((dispatch) => dispatch)]],
  ['undici 7', [new Agent(), new Client(ORIGIN), new MockAgent(), new Agent().compose((dispatch) => dispatch)]]
] as const) {
  test(`isDispatcher: accepts the dispatchers of ${version}`, async (t) => {
    for (const dispatcher of dispatchers) {
      t.equal(isDispatcher(dispatcher), true, dispatcher.constructor.name)
      await dispatcher.close()
    }
  })
}

// undici 8 is not installed. Its dispatchers refuse a handler that lacks the new callbacks.
test('isDispatcher: offers the callbacks of undici 8', async (t) => {
  const required = ['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd', 'onResponseError'] as const
  const dispatch = (_options: unknown, handler: Record<string, unknown>) => {
    for (const callback of required) if (typeof handler[callback] !== 'function') throw new TypeError(`invalid ${callback} method`)
    return true
  }
  t.equal(isDispatcher({ dispatch }), true)
})

test('isDispatcher: refuses any other value', async (t) => {
  const fails = () => { throw new TypeError('unknown handler') }
  for (const value of [undefined, null, 'undici', {}, [], { dispatch: true }, { dispatch: fails }, fetch]) {
    t.equal(isDispatcher(value), false, String(value))
  }
})

test('isDispatcher: sends nothing', async (t) => {
  let connections = 0
  const server = createServer().on('connection', () => { connections++ }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new Client(`http://127.0.0.1:${port}`)
  t.equal(isDispatcher(client), true)
  await client.close()
  t.equal(connections, 0)
})
