/** Validates the options about WeChat, which the plugin and createWechatClient share. */
import type { Dispatcher } from 'undici'
import { LONGEST_TIMER, parseDuration } from './utils/duration.js'
import { isObject } from './utils/type-checks.js'
import { integerOption, invalidOption, objectOption, optionPath, secretOption } from './utils/validate.js'
import type { AppSecrets } from './wechat/apps.js'
import { isDispatcher } from './wechat/http-exchange.js'
import type { TransportOptions } from './wechat/request.js'

export const WECHAT_OPTION_NAMES = ['baseUrl', 'timeout', 'retries', 'concurrency', 'dispatcher']

/**
 * @param section null for createWechatClient, whose options are in no section
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function resolveWechat (given: unknown, section: string | null): TransportOptions {
  const wechat = objectOption(given, section, WECHAT_OPTION_NAMES)
  const { baseUrl = 'https://api.weixin.qq.com', timeout = '5s', retries = 1, concurrency = 128, dispatcher } = wechat
  return {
    baseUrl: originOption(baseUrl, optionPath(section, 'baseUrl')),
    timeout: parseDuration(timeout, optionPath(section, 'timeout'), LONGEST_TIMER),
    retries: integerOption(retries, optionPath(section, 'retries'), 0, 5),
    concurrency: integerOption(concurrency, optionPath(section, 'concurrency'), 1, 10_000),
    dispatcher: dispatcherOption(dispatcher, optionPath(section, 'dispatcher'))
  }
}

/** @throws FST_WEAPP_INVALID_OPTION */
export function resolveApps ({ appId, appSecret, apps }: Record<string, unknown>): AppSecrets {
  if (apps === undefined) return { [secretOption(appId, 'appId')]: secretOption(appSecret, 'appSecret') }
  if (appId !== undefined || appSecret !== undefined) {
    throw invalidOption('apps', 'cannot be combined with appId and appSecret')
  }
  if (typeof apps === 'function') return apps as AppSecrets
  if (!isObject(apps) || Object.keys(apps).length === 0) {
    throw invalidOption('apps', 'must be an object of app ids and secrets, or a function')
  }
  for (const [id, secret] of Object.entries(apps)) {
    secretOption(id, 'apps')
    secretOption(secret, 'apps')
  }
  return apps as AppSecrets
}

/** Requires TLS, because calls to WeChat contain the app secret. A simulator on this machine needs none. */
function originOption (value: unknown, option: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null
  const isLocal = url?.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || isLocal) || `${url.origin}/` !== url.href) {
    throw invalidOption(option, 'must be an https origin, or an http origin of this machine')
  }
  return url.origin
}

function dispatcherOption (value: unknown, option: string): Dispatcher | undefined {
  if (value === undefined || isDispatcher(value)) return value
  throw invalidOption(option, 'must be an undici dispatcher')
}
