/** The troubles of the demo. Each causes a failure, continues with normal requests, and adds notes on the recovery. */
import type { WeappClientError } from 'fastify-weapp/client'
import type { Diagram } from './diagram.js'
import { assertOk, phoneNumber, signIn, type Handset } from './handsets.js'
import { text, type Text, type TextKey } from './texts.js'
import { post } from './wx.js'

export interface TroubleContext {
  visitor: string
  handset: Handset
  diagram: Diagram
}

export interface Trouble {
  id: string
  textKey: TextKey
  hint: TextKey
  /** Resolves to the final result on the phone. */
  run (context: TroubleContext): Promise<Text>
}

const BURST = 5

export const TROUBLES: readonly Trouble[] = [
  {
    id: 'key',
    textKey: 'keyDies',
    hint: 'keyDiesHint',
    async run ({ visitor, handset, diagram }) {
      // Otherwise a later check would give the server the new key before it decrypts the data.
      await handset.client.ensureSessionKey()
      await post('/demo/trouble/key', { visitor })
      diagram.note('wechat', 'note.keyDied')
      try {
        const number = await phoneNumber(handset, 'encryptedData')
        diagram.note('phone', 'note.keyHealed')
        return text('result.phone', number)
      } catch (error) {
        if (codeOf(error) === 'FST_WEAPP_SESSION_KEY_STALE') diagram.note('phone', 'note.tapAgain')
        throw error
      }
    }
  },
  {
    id: 'code',
    textKey: 'codeTwice',
    hint: 'codeTwiceHint',
    async run ({ handset, diagram }) {
      await signIn(handset)
      handset.phone.repeatCode = true
      diagram.note('phone', 'note.codeRepeated')
      await signIn(handset)
      diagram.note('phone', 'note.codeUsed')
      return await me(handset)
    }
  },
  {
    id: 'unbind',
    textKey: 'unbind',
    hint: 'unbindHint',
    async run ({ visitor, handset, diagram }) {
      await handset.client.logout()
      await post('/demo/trouble/unbind', { visitor })
      diagram.note('phone', 'note.unbind')
      return text('result.welcome', await signIn(handset))
    }
  },
  {
    id: 'kick',
    textKey: 'kick',
    hint: 'kickHint',
    async run ({ handset, diagram }) {
      await post('/demo/trouble/kick', undefined, handset.client.token)
      diagram.note('server', 'note.kicked')
      const first = await refusal(() => me(handset))
      diagram.note('phone', first?.code === 'FST_WEAPP_SESSION_KICKED' ? 'note.stayOut' : 'note.refused', first?.code)
      const second = await refusal(() => me(handset))
      if (second === null) return await me(handset)
      diagram.note('phone', 'note.nothingSent')
      throw first ?? second
    }
  },
  {
    id: 'busy',
    textKey: 'busy',
    hint: 'busyHint',
    async run ({ handset, diagram }) {
      await post('/demo/trouble/busy', { times: 1 })
      diagram.note('wechat', 'note.busyOnce')
      await signIn(handset)
      diagram.note('server', 'note.busyHealed')
      // The server sends two requests: the first attempt and one retry.
      await post('/demo/trouble/busy', { times: 2 })
      diagram.note('wechat', 'note.busyLong')
      const refused = await refusal(() => signIn(handset))
      const isExpected = refused?.code === 'FST_WEAPP_WECHAT_UNAVAILABLE'
      if (isExpected) diagram.note('phone', 'note.busyRefused', refused.retryAfter)
      else diagram.note('phone', 'note.refused', refused?.code)
      return await me(handset)
    }
  },
  {
    id: 'store',
    textKey: 'storeDown',
    hint: 'storeDownHint',
    async run ({ visitor, handset, diagram }) {
      await post('/demo/trouble/store', { visitor, isDown: true })
      diagram.note('server', 'note.storeDown')
      const refused = await refusal(() => me(handset))
        .finally(() => post('/demo/trouble/store', { visitor, isDown: false }))
      const isExpected = refused?.code === 'FST_WEAPP_STORE_UNAVAILABLE'
      if (isExpected) diagram.note('phone', 'note.storeRefused', refused.retryAfter)
      else diagram.note('phone', 'note.refused', refused?.code)
      diagram.note('server', 'note.storeUp')
      const result = await me(handset)
      diagram.note('phone', 'note.storeHealed')
      return result
    }
  },
  {
    id: 'burst',
    textKey: 'burst',
    hint: 'burstHint',
    async run ({ handset, diagram }) {
      await post('/demo/trouble/expire', undefined, handset.client.token)
      diagram.note('server', 'note.expired')
      let logins = 0
      const { wx } = handset.phone
      const { login } = wx
      wx.login = (callbacks) => {
        logins += 1
        login(callbacks)
      }
      try {
        const loadPage = async () => assertOk(await handset.client.request({ url: '/orders' }))
        await Promise.all(Array.from({ length: BURST }, loadPage))
      } finally {
        wx.login = login
      }
      diagram.note('phone', 'note.oneLogin', logins)
      return text('result.burst')
    }
  }
]

export async function me ({ client }: Handset): Promise<Text> {
  const { name, signedInAt } = assertOk(await client.request({ url: '/me' }))
  return text('result.me', name, new Date(signedInAt).toLocaleTimeString())
}

/** Resolves to the error of an action, or to null if it succeeds. */
async function refusal (action: () => Promise<unknown>): Promise<WeappClientError | null> {
  return await action().then(() => null, (error: WeappClientError) => error)
}

function codeOf (error: unknown): string | undefined {
  return (error as Partial<WeappClientError>).code
}
