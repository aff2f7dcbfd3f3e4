/** Validates the options of virtual payment. */
import { isObject } from './utils/type-checks.js'
import { invalidOption } from './utils/validate.js'
import type { AppSecrets } from './wechat/apps.js'
import { credentialsOption, type VirtualPaymentLookup } from './wechat/virtual-payment.js'

const noCredentials: VirtualPaymentLookup = () => null

/**
 * Returns the lookup of the credentials. The results of a function of the host are validated when it returns them.
 *
 * @param given of the plugin, after `apps` was validated
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function resolveVirtualPayment (given: Record<string, unknown>, keepSessionKey: boolean): VirtualPaymentLookup {
  const { virtualPayment, apps } = given
  if (virtualPayment === undefined) return noCredentials
  if (!keepSessionKey) throw invalidOption('virtualPayment', 'requires keepSessionKey')
  if (apps === undefined) {
    const credentials = credentialsOption(virtualPayment, 'virtualPayment')
    return () => credentials
  }
  if (typeof virtualPayment === 'function') return virtualPayment as VirtualPaymentLookup
  return lookupByAppId(virtualPayment, apps as AppSecrets)
}

function lookupByAppId (value: unknown, apps: AppSecrets): VirtualPaymentLookup {
  if (!isObject(value)) {
    throw invalidOption('virtualPayment', 'must be an object of app ids and credentials, or a function')
  }
  const credentials = new Map(Object.entries(value).map(([appId, each]) => {
    if (typeof apps === 'object' && !Object.hasOwn(apps, appId)) {
      throw invalidOption('virtualPayment', 'contains an app id that is not in apps')
    }
    return [appId, credentialsOption(each, 'virtualPayment')]
  }))
  return (appId) => credentials.get(appId)
}
