/** Starts a separate server with express-session, configured as in its README. */
import { once } from 'node:events'
import express from 'express'
import expressSession from 'express-session'

export async function startExpress ({ store, secret, session }) {
  const app = express()
  app.use(expressSession({ store, secret, resave: false, saveUninitialized: false }))
  app.get('/sign-in', (request, response) => {
    request.session.user = session
    response.json({})
  })
  app.get('/me', (request, response) => {
    const { user } = request.session
    if (user === undefined) response.sendStatus(401)
    else response.json({ openid: user.openid })
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${server.address().port}` }
}
