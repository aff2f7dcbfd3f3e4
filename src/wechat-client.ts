import type { WechatOptions } from './options.js'
import { functionOption } from './utils/validate.js'
import { resolveApps, resolveWechat } from './resolve-wechat-options.js'
import { createApps, type AppSecrets } from './wechat/apps.js'
import { createClient, type WechatClient } from './wechat/client.js'

/** One Mini Program, or several: then each call names its app. */
export type WechatClientOptions = WechatOptions & ({ appId: string, appSecret: string } | { apps: AppSecrets }) & {
  /** Told when WeChat refuses this server for a reason that whoever runs it must mend. */
  onConfigError?: ((errcode: number, hint: string, appId: string) => void) | undefined
}

/**
 * The client of WeChat's server API without Fastify: for jobs and scripts. Close it when done.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function createWechatClient (options: WechatClientOptions): WechatClient {
  const { appId, appSecret, apps, onConfigError = () => {}, ...wechat } = (options ?? {}) as Record<string, unknown> & WechatClientOptions
  return createClient({ ...resolveWechat(wechat, null), apps: createApps(resolveApps({ appId, appSecret, apps })), onConfigError: functionOption(onConfigError, 'onConfigError') })
}
