/** For tests: a WeChat that answers as WeChat does, a phone to ask it, and the conformance suite for a store of your own. */
export { startWechatSimulator } from './simulator/simulator.js'
export type {
  Apps, EncryptedData, Fault, FaultScope, AppOptions, PhoneNumberOptions, WechatRequest, WechatSimulator, WechatSimulatorOptions
} from './simulator/simulator.js'
export { storeSuite } from './store-suite/store-suite.js'
export type { OpenStore, StoreFactory, StoreSuiteOptions, TestFunction } from './store-suite/store-suite.js'
export { createMiniProgram } from './mini-program/mini-program.js'
export type {
  FakeWx, MiniProgram, MiniProgramApi, MiniProgramFault, MiniProgramFaultScope, MiniProgramOptions, MiniProgramRequest,
  WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxUploadOptions, WxUploadResult
} from './mini-program/mini-program.js'
