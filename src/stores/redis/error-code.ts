/**
 * Returns the prefix of an error reply of Redis, such as OOM or READONLY. The rest of a reply may quote arguments, so
 * it is dropped. ERR alone names no cause. Two known causes are kept with it: `bad lua script` and `unknown command`.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export function redisErrorCode (error: unknown): string | undefined {
  const { name, message } = (error ?? {}) as { name?: unknown, message?: unknown }
  if (name !== 'ReplyError') return undefined
  return /^(ERR (bad lua script|unknown command)|[A-Z]+\b)/.exec(String(message))?.[0]
}
