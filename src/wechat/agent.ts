import { createRequire } from 'node:module'
import type { Agent, Dispatcher } from 'undici'

type LoadUndici = () => Promise<Pick<typeof import('undici'), 'Agent'>>

/** The plugin's own agent, which is created with the first request. */
export interface LazyAgent {
  /** Sends a request. Rejects after `close`, or if undici cannot be loaded. */
  dispatch (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): Promise<boolean>
  /** Waits for pending requests, then closes the connections. */
  close (): Promise<void>
}

/**
 * Creates the plugin's own agent. undici is loaded with the first request, because that takes as long as loading
 * Fastify.
 *
 * @param timeout timeout of a call in milliseconds
 */
export function createAgent (timeout: number, load: LoadUndici = loadUndici): LazyAgent {
  let agent: Promise<Agent> | undefined
  let closed: Promise<void> | undefined

  /** Creates the agent. After a failure, the next request loads undici again. */
  async function create (): Promise<Agent> {
    try {
      const { Agent } = await load()
      return new Agent(agentOptions(timeout))
    } catch (error) {
      agent = undefined
      throw error
    }
  }

  return {
    dispatch (options, handler) {
      if (closed !== undefined) return Promise.reject(new Error('closed'))
      agent ??= create()
      // A callback of the same promise as that of close(), so that earlier requests are dispatched first.
      return agent.then((loaded) => loaded.dispatch(options, handler))
    },

    close () {
      // A second close() of the agent would reject. If undici was not loaded, there is nothing to close.
      closed ??= agent === undefined ? Promise.resolve() : agent.then((loaded) => loaded.close(), () => {})
      return closed
    }
  }
}

/**
 * Loads undici. Node.js keeps the error of a failed import for the life of the process, but not that of `require`. The
 * import comes first, because bundlers include only that. The path is for Bun, whose own module `undici` cannot
 * dispatch requests.
 */
export function loadUndici (importUndici: LoadUndici = () => import('undici/index.js')): ReturnType<LoadUndici> {
  return importUndici().catch(() => createRequire(import.meta.url)('undici/index.js'))
}

/** The number of connections is unlimited, so that no call waits for another. The client limits the calls. */
function agentOptions (timeout: number): Agent.Options {
  return {
    connectTimeout: timeout,
    connect: {
      // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default of Node.js.
      rejectUnauthorized: true,
      // The default of Node.js is 250 ms for each address, and then a slow connection fails.
      // Half the timeout leaves time for an address of the other family if the first one is unreachable.
      autoSelectFamilyAttemptTimeout: Math.ceil(timeout / 2)
    }
  }
}
