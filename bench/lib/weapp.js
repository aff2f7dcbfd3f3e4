/** Registers the plugin as all scenarios do. */
import weapp from '../../dist/index.js'

export const APP = { appId: 'wx0123456789abcdef', appSecret: 'an app secret of the benchmark' }
export const SECRET = 'a secret of the benchmark, long enough to sign with'

export async function registerWeapp (scope, options, wechatUrl) {
  await scope.register(weapp, {
    ...APP, secret: SECRET, wechat: { baseUrl: wechatUrl }, onLogin: () => ({ data: { userId: 42 } }), ...options
  })
}

let logins = 0

/** Signs a user in through `weapp.login` and returns their request headers. */
export async function signIn (scope) {
  const code = `sign-in-${process.pid}-${logins++}`
  const { token } = await scope.weapp.login({ headers: {}, log: scope.log }, { code })
  return { authorization: `Bearer ${token}` }
}
