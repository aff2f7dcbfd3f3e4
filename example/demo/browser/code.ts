/** Finds the code that makes a message. The server reads the lines from the files of the example. */
import type { SnippetName, Snippet } from '../snippets.js'
import type { Entry } from './timeline.js'

declare const SNIPPETS: Record<SnippetName, Snippet>

interface Code {
  server?: SnippetName
  sdk?: SnippetName
}

/** By the beginning of a message's title. */
const CODE: ReadonlyArray<readonly [title: string, code: Code]> = [
  ['wx.login', { sdk: 'sdk.login' }],
  ['wx.checkSession', { sdk: 'sdk.key' }],
  ['getPhoneNumber', { sdk: 'sdk.phone' }],
  ['POST /weapp/login', { server: 'server.weapp', sdk: 'sdk.login' }],
  ['POST /weapp/logout', { server: 'server.weapp', sdk: 'sdk.logout' }],
  ['GET /weapp/session', { server: 'server.weapp', sdk: 'sdk.session' }],
  ['GET /me', { server: 'server.me', sdk: 'sdk.me' }],
  ['GET /orders', { server: 'server.orders', sdk: 'sdk.burst' }],
  ['POST /phone-number', { server: 'server.phone', sdk: 'sdk.phone' }],
  ['GET /sns/jscode2session', { server: 'server.weapp' }],
  ['POST /cgi-bin/stable_token', { server: 'server.phone' }],
  ['POST /wxa/business/getuserphonenumber', { server: 'server.phone' }]
]

/** Returns the lines of the server and of the Mini Program that make an entry. */
export function codeOf (entry: Entry): { server?: Snippet, sdk?: Snippet } {
  const { server, sdk } = namesOf(entry)
  return { ...server !== undefined && { server: SNIPPETS[server] }, ...sdk !== undefined && { sdk: SNIPPETS[sdk] } }
}

export function hasCode (entry: Entry): boolean {
  return Object.keys(namesOf(entry)).length > 0
}

function namesOf (entry: Entry): Code {
  if (entry.kind === 'message') return CODE.find(([title]) => entry.message.title.startsWith(title))?.[1] ?? {}
  if (entry.kind === 'operation') {
    return { server: entry.operation.name === 'decrypt' ? 'server.phone' : 'server.store' }
  }
  if (entry.kind === 'note' && entry.text.textKey === 'note.kicked') return { server: 'server.kick' }
  if (entry.kind === 'note' && entry.text.textKey === 'note.unbound') return { server: 'server.weapp' }
  if (entry.kind === 'note' && entry.text.textKey === 'note.stayOut') return { sdk: 'sdk.create' }
  return {}
}
