/** Testing tools: a WeChat simulator, a fake Mini Program and the conformance suite for session stores. */
export { startWechatSimulator } from './simulator/simulator.js'
export type {
  AppOptions, Apps, EncryptedData, Fault, FaultScope, PhoneNumberOptions, VirtualPayment, VirtualPaymentArguments,
  VirtualPaymentResult, VirtualPaymentSettings, WechatRequest, WechatSimulator, WechatSimulatorOptions
} from './simulator/simulator.js'
export { storeSuite } from './store-suite/store-suite.js'
export type { OpenStore, StoreFactory, StoreSuiteOptions, TestFunction } from './store-suite/store-suite.js'
export { createMiniProgram } from './mini-program/mini-program.js'
export type {
  FakeWx, MiniProgram, MiniProgramApi, MiniProgramFault, MiniProgramFaultScope, MiniProgramOptions, MiniProgramRequest,
  WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxTask, WxUploadOptions, WxUploadResult,
  WxVirtualPaymentOptions
} from './mini-program/mini-program.js'
