/**
 * The process that is measured. It serves the sides of one scenario, named on the command line, as sibling scopes of
 * one Fastify: two processes of the same code differ by up to 15 % for their whole life.
 */
import Fastify from 'fastify'
import { serve } from './lib/rpc.js'

const { default: scenario } = await import(new URL(`./scenarios/${process.argv[2]}.js`, import.meta.url))
let answers = 0

/** Counted on the HTTP server itself, so that it costs every side the same. */
function count (server) {
  server.on('request', () => { answers++ })
}

/** What the scenario measures: `{ sides: { name: request } }`. */
async function setup (params) {
  // A million sessions take longer to make than a plugin is given.
  const app = Fastify({ pluginTimeout: 0 })
  count(app.server)
  const afterListen = []
  const sides = {}

  /** A plugin that serves a side in a scope of its own; it resolves to what the load generator is to ask there. */
  async function add (name, plugin) {
    const prefix = `/side-${afterListen.length}`
    let describe
    await app.register(async (scope) => { describe = await plugin(scope) }, { prefix })
    afterListen.push(async (origin) => { sides[name] = await describe(origin + prefix) })
  }

  const extra = await scenario({ add, count }, params)
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const finish of afterListen) await finish(origin)
  return { sides: { ...sides, ...extra } }
}

function mark () {
  const { user, system } = process.cpuUsage()
  return { cpu: user + system, answers }
}

serve({ setup, mark })
