import { Agent } from 'undici'

/**
 * Creates the plugin's own agent. Its number of connections is unlimited, so that no call waits for another.
 * The concurrency limits of the client limit the calls.
 *
 * @param timeout timeout of a call in milliseconds
 */
export function createAgent (timeout: number): Agent {
  return new Agent({
    connectTimeout: timeout,
    connect: {
      // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default of Node.js.
      rejectUnauthorized: true,
      // The default of Node.js is 250 ms for each address, and then a slow connection fails.
      // Half the timeout leaves time for an address of the other family if the first one is unreachable.
      autoSelectFamilyAttemptTimeout: Math.ceil(timeout / 2)
    }
  })
}
