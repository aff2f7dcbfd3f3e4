/** Error messages for users, by error code. */
const MESSAGES = {
  WEAPP_NETWORK_FAILED: '连接不上服务器，请检查网络后重试',
  WEAPP_WX_LOGIN_FAILED: '微信登录失败，请重试',
  SHOP_ACCOUNT_NOT_BOUND: '这个微信号还没有绑定账号',
  SHOP_WRONG_PASSWORD: '用户名或密码错误',
  FST_WEAPP_CODE_INVALID: '凭证无效或已过期，请再点一次',
  FST_WEAPP_PHONE_CODE_INVALID: '凭证无效或已过期，请再点一次',
  FST_WEAPP_CODE_USED: '凭证已用过，请再点一次',
  FST_WEAPP_LOGIN_BLOCKED: '微信限制了这个用户登录',
  FST_WEAPP_SESSION_REVOKED: '已退出登录',
  FST_WEAPP_SESSION_KICKED: '登录已被服务端终止',
  FST_WEAPP_SESSION_REPLACED: '登录的设备太多，这台设备已退出'
}

function messageOf ({ code, message, retryAfter }) {
  if (retryAfter) return `请在 ${retryAfter} 秒后重试`
  return MESSAGES[code] || `${code || '出错了'}：${message || ''}`
}

module.exports = { messageOf }
