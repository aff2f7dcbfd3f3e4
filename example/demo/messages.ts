/** The events of the stream at `/demo/events`. The server and the page share this file, so it contains only types. */
export type Lane = 'phone' | 'server' | 'wechat'

/** A field of a message. The value is null for a secret, which the page never receives. */
export interface Field {
  name: string
  value: string | null
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
}

/** An operation of the server between two messages. */
export interface Operation {
  kind: 'operation'
  device: string
  name: 'decrypt' | 'store'
  /** The error code of a failure, otherwise null. */
  code: string | null
}

export type DemoEvent = Message | Operation
