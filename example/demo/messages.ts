/** What the server tells the page, one event of the stream at `/demo/events` each. Shared by both, so types alone. */
export type Lane = 'phone' | 'server' | 'wechat'

/** One thing that a message carries. Null instead of a value: a secret, which the page is never told. */
export interface Field {
  name: string
  value: string | null
}

/** A request or the answer to it: both have the same id. */
export interface Message {
  kind: 'message'
  id: number
  part: 'request' | 'answer'
  from: Lane
  to: Lane
  /** Which of the visitor's phones it is about. */
  device: string
  /** The phone sent its messages of one volley at the same time; null for what is no message of the phone to the server. */
  volley: number | null
  /** What was asked, such as 'GET /me'; the answer repeats it. */
  title: string
  /** The HTTP status of an answer; null for what has none. */
  status: number | null
  /** Why it was refused. */
  code: string | null
  /** From the request to its answer. */
  ms: number | null
  fields: Field[]
}

/** What the server did between two messages. */
export interface Work {
  kind: 'work'
  device: string
  what: 'decrypt' | 'store'
  /** Why it failed, or null. */
  code: string | null
}

export type DemoEvent = Message | Work
