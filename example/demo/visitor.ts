/** Who looks at the page. Each visitor is a WeChat user of their own, so that two pages do not disturb each other. */
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { Scene } from './tape.js'

export const Visitor = Type.String({ pattern: '^[a-z0-9]{8,32}$' })
export const Device = Type.Union([Type.Literal('A'), Type.Literal('B')])
export const Whose = Type.Object({ visitor: Visitor, device: Device })

/** The user's name in the simulator. */
export function userOf ({ visitor }: Pick<Static<typeof Whose>, 'visitor'>): string {
  return `demo-${visitor}`
}

/** Whose phone a request comes from: the fake wx of the page says so. */
export function sceneOf ({ headers }: FastifyRequest): Scene | null {
  const { 'demo-visitor': visitor, 'demo-device': device } = headers
  const isKnown = typeof visitor === 'string' && /^[a-z0-9]{8,32}$/.test(visitor) && (device === 'A' || device === 'B')
  return isKnown ? { visitor, device } : null
}
