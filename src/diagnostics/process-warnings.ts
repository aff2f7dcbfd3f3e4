/** Warnings of the process, once each. They reach an operator whose Fastify has no logger. None contains a secret. */
import processWarning from 'process-warning'

const name = 'FastifyWeappWarning'
const ADVICE = 'Enable the logger of Fastify to see all failures.'

/** Parameters: the app id, the errcode and its hint. */
export const warnConfigError = processWarning.createWarning({
  name,
  code: 'FST_WEAPP_WECHAT_CONFIG',
  message: `WeChat refused this server for app %s with errcode %s: %s. ${ADVICE}`
})

/** Parameters: what failed, the operation, and the name and code of the error. */
export const warnStoreFailure = processWarning.createWarning({
  name,
  code: 'FST_WEAPP_STORE_UNAVAILABLE',
  message: `The %s failed in %s: %s. ${ADVICE}`
})

export const warnMemoryStore = processWarning.createWarning({
  name,
  code: 'FST_WEAPP_MEMORY_STORE',
  message: 'fastify-weapp stores sessions only in the memory of this process. Pass a store that outlives it.'
})
