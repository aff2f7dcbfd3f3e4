/** The public routes. */
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { BEARER, Product } from '../schemas/shop.js'

export default async function products (app: FastifyInstance): Promise<void> {
  app.get('/products', {
    schema: { tags: ['shop'], summary: 'Public', response: { 200: Type.Array(Product) } }
  }, async () => [{ id: 1, name: 'Tea' }, { id: 2, name: 'Teapot' }])

  app.get('/welcome', {
    config: { weapp: 'optional' },
    schema: { tags: ['shop'], summary: 'Public, with the name of a signed-in user', security: [{}, ...BEARER] }
  }, async (request) => ({ message: `Welcome, ${request.weapp?.session.data.name ?? 'guest'}!` }))
}
