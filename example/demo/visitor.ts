/** The visitor of the page. Each visitor is a separate WeChat user, so visitors do not affect each other. */
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { DemoContext } from './recorder.js'

export const Visitor = Type.String({ pattern: '^[a-z0-9]{8,32}$' })
export const Device = Type.Union([Type.Literal('A'), Type.Literal('B')])
export const VisitorDevice = Type.Object({ visitor: Visitor, device: Device })

/** Returns the user's name in the simulator. */
export function userOf ({ visitor }: Pick<Static<typeof VisitorDevice>, 'visitor'>): string {
  return `demo-${visitor}`
}

/** Returns the visitor and phone from the headers of the page's fake wx, or null for other requests. */
export function contextOf ({ headers }: FastifyRequest): DemoContext | null {
  const { 'demo-visitor': visitor, 'demo-device': device } = headers
  const isKnown = typeof visitor === 'string' && /^[a-z0-9]{8,32}$/.test(visitor) && (device === 'A' || device === 'B')
  return isKnown ? { visitor, device } : null
}
