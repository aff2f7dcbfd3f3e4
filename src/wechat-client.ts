import type { ErrorDetails } from './errors.js'
import { ROUNDING_ADVICE } from './diagnostics/operator-log.js'
import type { MultiAppOptions, SingleAppOptions, WechatOptions } from './options.js'
import { resolveVirtualPayment } from './resolve-payment-options.js'
import { resolveApps, resolveWechat } from './resolve-wechat-options.js'
import { functionOption } from './utils/validate.js'
import { createApps } from './wechat/apps.js'
import { createClient, type WechatClient } from './wechat/client.js'
import { createVirtualPayments } from './wechat/virtual-payment.js'

/** The options for one Mini Program, or for several. With several, each call names its app. */
export type WechatClientOptions = WechatOptions & (
  Pick<SingleAppOptions, 'appId' | 'appSecret' | 'virtualPayment'> | Pick<MultiAppOptions, 'apps' | 'virtualPayment'>
) & {
  /** Called when WeChat refuses this server because of its configuration. */
  onConfigError?: ((errcode: number, hint: string, appId: string, details: ErrorDetails) => void) | undefined
}

/**
 * Creates a client of WeChat's server API without Fastify, for jobs and scripts. The caller closes it.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function createWechatClient (options: WechatClientOptions): WechatClient {
  const { appId, appSecret, apps, virtualPayment, onConfigError = () => {}, ...wechat } =
    (options ?? {}) as Record<string, unknown> & WechatClientOptions
  return createClient({
    ...resolveWechat(wechat, null),
    apps: createApps(resolveApps({ appId, appSecret, apps })),
    virtualPayments: createVirtualPayments(resolveVirtualPayment({ virtualPayment, apps }, true)),
    onConfigError: functionOption(onConfigError, 'onConfigError'),
    onRounded: warnOfRounding
  })
}

function warnOfRounding (path: string): void {
  process.emitWarning(`${path} returned an integer beyond 2^53, which was rounded. ${ROUNDING_ADVICE}`, {
    code: 'FST_WEAPP_ROUNDED_INTEGER'
  })
}
