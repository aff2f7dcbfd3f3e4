/** The events of the stream at `/demo/events`. The server and the page share this file. */
export type Lane = 'phone' | 'server' | 'wechat'

/** Replaces a secret in the details of a message, because the page never receives it. */
export const HIDDEN = '\u2022\u2022\u2022'

/** A field of a message. The value is null for a secret. */
export interface Field {
  name: string
  value: string | null
}

/** The content of a message, in which HIDDEN replaces the secrets. */
export interface Detail {
  /** The first line, such as 'POST /weapp/login' or 'HTTP 200'. */
  line: string
  headers: Record<string, string>
  body: unknown
}

/** A request or its response. Both have the same id. */
export interface Message {
  kind: 'message'
  id: number
  part: 'request' | 'response'
  from: Lane
  to: Lane
  /** The visitor's phone, 'A' or 'B'. */
  device: string
  /** The number of the batch of requests that the phone sent at the same time. Null for other messages. */
  batch: number | null
  /** The request, such as 'GET /me'. The response has the same title. */
  title: string
  /** The HTTP status of a response, otherwise null. */
  status: number | null
  /** The error code of a refusal, otherwise null. */
  code: string | null
  /** The milliseconds from the request to its response. Null for a request. */
  ms: number | null
  fields: Field[]
  detail: Detail
}

/** An operation of the server between two messages. */
export interface Operation {
  kind: 'operation'
  device: string
  /** 'save' stores a session with a sealed session_key. 'store' is a failure of the store. */
  name: 'decrypt' | 'save' | 'store'
  /** The error code of a failure, otherwise null. */
  code: string | null
  /** The beginning of the sealed session_key of 'save', otherwise null. */
  sealed: string | null
}

export type DemoEvent = Message | Operation
