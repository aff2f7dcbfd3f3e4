/** The bindings of openids to accounts, in memory, in Redis or in a table. */
import createError from '@fastify/error'

/** The bindings of openids to usernames. They must persist at least as long as the sessions. */
export interface Bindings {
  get (openid: string): Promise<string | null>
  set (openid: string, username: string): Promise<unknown>
}

export const UNAVAILABLE = createError('SHOP_UNAVAILABLE', 'The shop cannot reach its accounts. Try again.', 503)

export function memoryBindings (): Bindings {
  const bindings = new Map<string, string>()
  return {
    get: async (openid) => bindings.get(openid) ?? null,
    set: async (openid, username) => bindings.set(openid, username)
  }
}

/**
 * Stores the bindings in one Redis hash. The client needs timeouts. Otherwise a login waits until Redis is available.
 * A binding may still be stored after a timeout. This is safe, because the user has proved the binding.
 */
export function redisBindings (redis: RedisHashes): Bindings {
  return {
    get: (openid) => redis.hget('shop:bindings', openid).catch(throwUnavailable),
    set: (openid, username) => redis.hset('shop:bindings', openid, username).catch(throwUnavailable)
  }
}

export interface BindingsTable {
  select (openid: string): Promise<{ username: string } | undefined>
  /** Inserts a row, or replaces the one of this openid. */
  upsert (openid: string, username: string): Promise<unknown>
}

/** Stores the bindings in a table. Its statements need timeouts as well. */
export function sqlBindings ({ select, upsert }: BindingsTable): Bindings {
  return {
    get: async (openid) => (await select(openid).catch(throwUnavailable))?.username ?? null,
    set: (openid, username) => upsert(openid, username).catch(throwUnavailable)
  }
}

/** Hides the client's error from the response, because Fastify sends error messages. The log has the cause. */
function throwUnavailable (cause: unknown): never {
  throw Object.assign(new UNAVAILABLE({ cause }), { headers: { 'retry-after': '5' } })
}

interface RedisHashes {
  hget (key: string, field: string): Promise<string | null>
  hset (key: string, field: string, value: string): Promise<unknown>
}
