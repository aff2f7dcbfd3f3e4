/** The stories of the page. Each sends real requests, causes a failure if it is a trouble, and explains in notes. */
import type { WeappClientError } from 'fastify-weapp/client'
import type { Lane } from '../messages.js'
import { assertOk, me, phoneNumber, signIn, type Handset } from './handsets.js'
import { text, type Text, type TextKey } from './texts.js'
import { post } from './wx.js'

export interface StoryContext {
  visitor: string
  handset: Handset
  note (lane: Lane, textKey: TextKey, ...values: unknown[]): void
}

export interface Story {
  id: 'login' | 'me' | 'phone' | 'unbind' | 'code' | 'burst' | 'key' | 'kick' | 'busy' | 'store'
  isTrouble: boolean
  /** The state of the phone before the story. */
  begins: 'signed-in' | 'not-signed-in'
  /** Resolves to the final result on the phone. */
  run (context: StoryContext): Promise<Text>
}

const BURST = 5

export const STORIES: readonly Story[] = [
  {
    id: 'login',
    isTrouble: false,
    begins: 'not-signed-in',
    async run ({ handset, note }) {
      note('phone', 'note.login.code')
      const name = await signIn(handset)
      note('phone', 'note.login.done')
      return text('result.welcome', name)
    }
  },
  {
    id: 'me',
    isTrouble: false,
    begins: 'signed-in',
    async run ({ handset, note }) {
      const result = await meResult(handset)
      note('server', 'note.me')
      return result
    }
  },
  {
    id: 'phone',
    isTrouble: false,
    begins: 'signed-in',
    async run ({ handset, note }) {
      const number = await phoneNumber(handset, 'phoneCode')
      note('server', 'note.phone')
      return text('result.phone', number)
    }
  },
  {
    id: 'unbind',
    isTrouble: false,
    begins: 'not-signed-in',
    async run ({ visitor, handset, note }) {
      await post('/demo/trouble/unbind', { visitor })
      note('phone', 'note.unbind')
      const refused = await refusal(() => signIn(handset))
      if (refused?.code !== 'SHOP_ACCOUNT_NOT_BOUND') return unexpected(note, refused)
      note('server', 'note.unbound')
      const name = await signIn(handset, { account: { username: 'alice', password: 'wonderland' } })
      note('server', 'note.bound')
      return text('result.welcome', name)
    }
  },
  {
    id: 'code',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ handset, note }) {
      handset.phone.repeatCode = true
      note('phone', 'note.codeRepeated')
      await signIn(handset)
      note('phone', 'note.codeUsed')
      return await meResult(handset)
    }
  },
  {
    id: 'burst',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ handset, note }) {
      await post('/demo/trouble/expire', undefined, handset.client.token)
      note('server', 'note.expired')
      let logins = 0
      const { wx } = handset.phone
      const { login } = wx
      wx.login = (callbacks) => {
        logins += 1
        login(callbacks)
      }
      const loadPage = async () => assertOk(await handset.client.request({ url: '/orders' }))
      const loadPages = () => Promise.all(Array.from({ length: BURST }, loadPage))
      await loadPages().finally(() => { wx.login = login })
      note('phone', 'note.oneLogin', logins)
      return text('result.burst')
    }
  },
  {
    id: 'key',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ visitor, handset, note }) {
      await post('/demo/trouble/key', { visitor })
      note('wechat', 'note.keyChanged')
      const number = await phoneNumber(handset, 'encryptedData')
      note('phone', 'note.keyHealed')
      return text('result.phone', number)
    }
  },
  {
    id: 'kick',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ handset, note }) {
      await post('/demo/trouble/kick', undefined, handset.client.token)
      note('server', 'note.kicked')
      const first = await refusal(() => me(handset))
      if (first?.code !== 'FST_WEAPP_SESSION_KICKED') return unexpected(note, first)
      note('phone', 'note.stayOut')
      const second = await refusal(() => me(handset))
      if (second === null) return unexpected(note, second)
      note('phone', 'note.nothingSent')
      throw first
    }
  },
  {
    id: 'busy',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ handset, note }) {
      await post('/demo/trouble/busy', { times: 1 })
      note('wechat', 'note.busyOnce')
      await signIn(handset)
      note('server', 'note.busyHealed')
      // The server sends two requests: the first attempt and one retry.
      await post('/demo/trouble/busy', { times: 2 })
      note('wechat', 'note.busyLong')
      const refused = await refusal(() => signIn(handset))
      if (refused?.code !== 'FST_WEAPP_WECHAT_UNAVAILABLE') return unexpected(note, refused)
      note('phone', 'note.busyRefused', refused.retryAfter)
      return await meResult(handset)
    }
  },
  {
    id: 'store',
    isTrouble: true,
    begins: 'signed-in',
    async run ({ visitor, handset, note }) {
      await post('/demo/trouble/store', { visitor, isDown: true })
      note('server', 'note.storeDown')
      const refused = await refusal(() => me(handset))
        .finally(() => post('/demo/trouble/store', { visitor, isDown: false }))
      if (refused?.code !== 'FST_WEAPP_STORE_UNAVAILABLE') return unexpected(note, refused)
      note('phone', 'note.storeRefused', refused.retryAfter)
      note('server', 'note.storeUp')
      const result = await meResult(handset)
      note('phone', 'note.storeHealed')
      return result
    }
  }
]

export async function meResult (handset: Handset): Promise<Text> {
  const { name, signedInAt } = await me(handset)
  return text('result.me', name, new Date(signedInAt))
}

/** Resolves to the error of an action, or to null if it succeeds. */
async function refusal (action: () => Promise<unknown>): Promise<WeappClientError | null> {
  return await action().then(() => null, (error: WeappClientError) => error)
}

/** Ends a story that took another course than its notes tell. */
function unexpected (note: StoryContext['note'], error: WeappClientError | null): Text {
  const outcome = error === null ? '200' : error.code ?? error.message
  note('phone', 'note.unexpected', outcome)
  return text('result.error', outcome)
}
