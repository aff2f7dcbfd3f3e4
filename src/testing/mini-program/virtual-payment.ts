import { perform, settle } from './call.js'
import type { MiniProgramFault } from './faults.js'
import type { FakeWx, WxFailure } from './wx.js'
import type { VirtualPaymentArguments, VirtualPaymentResult } from '../simulator/simulator.js'

const API = 'requestVirtualPayment'

/** WeChat's error code of a payment that failed without a reason. */
const PAYMENT_FAILED = -1

/**
 * Creates wx.requestVirtualPayment. `begin` counts a call and returns its fault. `pay` makes the payment. As in WeChat,
 * the result reaches callbacks only.
 */
export function createVirtualPayment (
  begin: (api: typeof API) => MiniProgramFault, assertOnline: (api: typeof API) => void,
  pay: (args: VirtualPaymentArguments) => VirtualPaymentResult
): FakeWx['requestVirtualPayment'] {
  return ({ mode, signData, paySig, signature, ...callbacks }) => {
    const fault = begin(API)
    const { errCode } = fault
    const effective = errCode === undefined ? fault : { fail: `error ${errCode}`, ...fault }
    const outcome = perform(API, effective, () => assertOnline(API), () => {
      const result = pay({ mode, signData, paySig, signature })
      if (result.errCode !== 0) throw paymentFailure(result)
      return { errMsg: result.errMsg }
    }).catch((failed) => { throw paymentFailure(failed, errCode) })
    // An empty `complete` keeps a failure without callbacks from being an unhandled rejection.
    settle(effective, { ...callbacks, complete: callbacks.complete ?? (() => {}) }, outcome)
  }
}

/** Returns a failure with its error code, which a failure by WeChat has, or with that of the fault. */
function paymentFailure (failed: { errMsg: string, errCode?: number }, faultCode = PAYMENT_FAILED): WxFailure {
  const { errMsg, errCode = faultCode } = failed
  return { errMsg, errno: errCode, errCode }
}
