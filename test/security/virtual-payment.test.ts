import { inspect } from 'node:util'
import { test } from 'tap'
import type { VirtualPaymentOrder, WeappOptions } from '../../src/index.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { startHost } from '../helpers/host.js'
import { captureLog } from '../helpers/log.js'

const APP_KEY = 'canary-of-the-app-key'

test('T62: the AppKey and the session_key are in no response, error, log or inspection', async (t) => {
  const log = captureLog()
  const faulty = faultyStore()
  const seen: unknown[] = []
  const replies: string[] = []
  const { app, wechat, signIn, post } = await startHost(t, {
    server: log.server,
    options: {
      store: faulty.store, virtualPayment: { offerId: '123', appKey: APP_KEY }
    } as Partial<WeappOptions>,
    before: (app) => {
      app.addHook('onError', async (_request, _reply, error) => { seen.push(error, error.stack) })
      app.addHook('onSend', async (_request, reply, payload) => {
        replies.push(JSON.stringify(reply.getHeaders()) + String(payload))
      })
    },
    after: (app) => {
      app.post('/payment', { config: { weapp: true } }, async ({ weapp, body, log }) => {
        seen.push(weapp, app.weapp)
        const payment = await weapp!.session.signVirtualPayment(body as VirtualPaymentOrder)
        log.info({ weapp, payment }, 'the host logs a payment')
        return payment
      })
    }
  })
  const { token } = await signIn()
  const sessionKey = wechat.sessionKey('alice')
  const order = { mode: 'short_series_coin', buyQuantity: 1, outTradeNo: '20261130-1', attach: 'coins' }
  t.equal((await post('/payment', order, token)).statusCode, 200)
  t.equal((await post('/payment', { ...order, buyQuantity: 0 }, token)).statusCode, 500)
  t.equal((await post('/payment', { ...order, goodsPrice: 1 }, token)).statusCode, 500)
  for (const answer of [[], ['not sealed'], null]) {
    faulty.instead('readKeys', async () => answer)
    t.not((await post('/payment', order, token)).statusCode, 200)
  }

  const shown = inspect([seen, app.weapp], { depth: Infinity, showHidden: true, maxArrayLength: null, maxStringLength: null })
  t.ok(seen.length > 10 && replies.length > 5 && log.lines().length > 10, 'the journey was complete')
  for (const text of [replies.join('\n'), log.text(), shown, JSON.stringify(seen)]) {
    for (const secret of [APP_KEY, sessionKey, JSON.stringify(sessionKey), sessionKey.replaceAll('/', '\\/')]) {
      t.notOk(text.includes(secret))
    }
  }
})
