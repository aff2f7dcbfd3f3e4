/** The orders of the signed-in user. */
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { BEARER, Order } from '../schemas/shop.js'

const ORDERS = [
  { id: 1001, username: 'alice', productId: 1 },
  { id: 1002, username: 'bob', productId: 2 }
]

export default async function orders (app: FastifyInstance): Promise<void> {
  app.get('/orders', {
    config: { weapp: true },
    schema: {
      tags: ['shop'],
      summary: 'The orders of the signed-in user',
      security: BEARER,
      response: { 200: Type.Array(Order) }
    }
  }, async (request) => {
    const { username } = app.weapp.identity(request).session.data
    return ORDERS.filter((order) => order.username === username)
  })
}
