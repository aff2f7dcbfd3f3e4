/**
 * The measured process. It serves the sides of the scenario in its first argument as sibling scopes of one Fastify
 * instance. Two processes with the same code may differ by up to 15 % during their lifetime.
 */
import Fastify from 'fastify'
import { serve } from './lib/rpc.js'

const { default: scenario } = await import(new URL(`./scenarios/${process.argv[2]}.js`, import.meta.url))
let responses = 0

/** Counts responses on the HTTP server, so that the cost is the same on every side. */
function count (server) {
  server.on('request', () => { responses++ })
}

/** Starts the scenario and resolves to `{ sides: { name: request } }`. */
async function setup (params) {
  // Creating a million sessions takes longer than the plugin timeout.
  const app = Fastify({ pluginTimeout: 0 })
  count(app.server)
  const afterListen = []
  const sides = {}

  /** Registers a side in a separate scope. `plugin` resolves to a function that returns the request to measure. */
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
  return { cpu: user + system, responses }
}

serve({ setup, mark })
