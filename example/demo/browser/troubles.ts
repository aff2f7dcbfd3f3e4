/** What goes wrong, each as a small play: the trouble is made, the phone goes on as if nothing were, and a note says what helped. */
import type { WeappClientError } from 'fastify-weapp/client'
import type { Diagram } from './diagram.js'
import { demandOk, phoneNumber, signIn, type Handset } from './handsets.js'
import { say, type Word } from './words.js'
import { post } from './wx.js'

export interface Stage {
  visitor: string
  handset: Handset
  diagram: Diagram
}

export interface Trouble {
  id: string
  word: Word
  hint: Word
  /** Resolves to what the phone shows in the end. */
  play (stage: Stage): Promise<string>
}

const BURST = 5

export const TROUBLES: readonly Trouble[] = [
  {
    id: 'key',
    word: 'keyDies',
    hint: 'keyDiesHint',
    async play ({ visitor, handset, diagram }) {
      // Else the data would be opened under a key that the server is about to be given.
      await handset.client.ensureSessionKey()
      await post('/demo/trouble/key', { visitor })
      diagram.note('wechat', 'note.keyDied')
      try {
        const number = await phoneNumber(handset, 'encryptedData')
        diagram.note('phone', 'note.keyHealed')
        return say('result.phone', number)
      } catch (error) {
        if (codeOf(error) === 'FST_WEAPP_SESSION_KEY_STALE') diagram.note('phone', 'note.tapAgain')
        throw error
      }
    }
  },
  {
    id: 'code',
    word: 'codeTwice',
    hint: 'codeTwiceHint',
    async play ({ handset, diagram }) {
      await signIn(handset)
      handset.phone.repeatCode = true
      diagram.note('phone', 'note.codeRepeated')
      const code = await refusal(() => signIn(handset))
      diagram.note('phone', code?.code === 'FST_WEAPP_CODE_USED' ? 'note.codeUsed' : 'note.refused', code?.code)
      return await me(handset)
    }
  },
  {
    id: 'kick',
    word: 'kick',
    hint: 'kickHint',
    async play ({ handset, diagram }) {
      await post('/demo/trouble/kick', undefined, handset.client.token)
      diagram.note('server', 'note.kicked')
      const first = await refusal(() => me(handset))
      diagram.note('phone', first?.code === 'FST_WEAPP_SESSION_KICKED' ? 'note.stayOut' : 'note.refused', first?.code)
      const second = await refusal(() => me(handset))
      if (second !== null) diagram.note('phone', 'note.nothingSent')
      return say('result.signedOutBecause', second?.code)
    }
  },
  {
    id: 'busy',
    word: 'busy',
    hint: 'busyHint',
    async play ({ handset, diagram }) {
      await post('/demo/trouble/busy', { times: 1 })
      diagram.note('wechat', 'note.busyOnce')
      await signIn(handset)
      diagram.note('server', 'note.busyHealed')
      // As often as the server asks: the first time and the one repetition.
      await post('/demo/trouble/busy', { times: 2 })
      diagram.note('wechat', 'note.busyLong')
      const refused = await refusal(() => signIn(handset))
      const isExpected = refused?.code === 'FST_WEAPP_WECHAT_UNAVAILABLE'
      diagram.note('phone', isExpected ? 'note.busyRefused' : 'note.refused', isExpected ? refused.retryAfter : refused?.code)
      return await me(handset)
    }
  },
  {
    id: 'store',
    word: 'storeDown',
    hint: 'storeDownHint',
    async play ({ visitor, handset, diagram }) {
      await post('/demo/trouble/store', { visitor, isDown: true })
      diagram.note('server', 'note.storeDown')
      const refused = await refusal(() => me(handset)).finally(() => post('/demo/trouble/store', { visitor, isDown: false }))
      const isExpected = refused?.code === 'FST_WEAPP_STORE_UNAVAILABLE'
      diagram.note('phone', isExpected ? 'note.storeRefused' : 'note.refused', isExpected ? refused.retryAfter : refused?.code)
      diagram.note('server', 'note.storeUp')
      const result = await me(handset)
      diagram.note('phone', 'note.storeHealed')
      return result
    }
  },
  {
    id: 'burst',
    word: 'burst',
    hint: 'burstHint',
    async play ({ handset, diagram }) {
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
        await Promise.all(Array.from({ length: BURST }, async () => demandOk(await handset.client.request({ url: '/orders' }))))
      } finally {
        wx.login = login
      }
      diagram.note('phone', 'note.oneLogin', logins)
      return say('result.burst')
    }
  }
]

export async function me ({ client }: Handset): Promise<string> {
  const { name, signedInAt } = demandOk(await client.request({ url: '/me' }))
  return say('result.me', name, new Date(signedInAt).toLocaleTimeString())
}

/** How it failed, or null if it did not. */
async function refusal (work: () => Promise<unknown>): Promise<WeappClientError | null> {
  return await work().then(() => null, (error: WeappClientError) => error)
}

function codeOf (error: unknown): string | undefined {
  return (error as Partial<WeappClientError>).code
}
