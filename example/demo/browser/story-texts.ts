/** The texts of the stories in both languages: their titles, the notes beside the arrows, and the results. */
export const STORY_TEXTS = {
  'story.login': ['Sign in', '登录'],
  'story.login.hint': ['code → openid → token', 'code → openid → token'],
  'story.me': ['Guarded request', '需要登录的请求'],
  'story.me.hint': ['the token identifies the session', '凭 token 识别用户'],
  'story.phone': ['Phone number', '获取手机号'],
  'story.phone.hint': ['a tap gives a phone code', '点击按钮得到手机号 code'],
  'story.unbind': ['New user', '新用户'],
  'story.unbind.hint': ['binds an account once', '首次绑定账号'],
  'story.code': ['Code used twice', 'code 用了两次'],
  'story.code.hint': ['errcode 40163', 'errcode 40163'],
  'story.burst': ['Session expires', '登录态过期'],
  'story.burst.hint': ['five requests at once', '五个请求同时遇到'],
  'story.key': ['session_key changes', 'session_key 失效'],
  'story.key.hint': ['then data cannot be decrypted', '数据无法解密'],
  'story.kick': ['Device signed out', '设备被强制下线'],
  'story.kick.hint': ['by the shop, with sessions.revoke()', '商家调用 sessions.revoke()'],
  'story.busy': ['WeChat busy', '微信繁忙'],
  'story.busy.hint': ['once, then for longer', '先一次，再持续'],
  'story.store': ['Store fails', '存储不可用'],
  'story.store.hint': ['and comes back', '之后恢复'],
  'action.start': ['The Mini Program starts', '小程序启动'],

  'work.decrypt.ok': ['session.decrypt opens the data', 'session.decrypt 解密成功'],
  'work.decrypt.failed': ['session.decrypt: no stored session_key opens the data', 'session.decrypt：已存的 session_key 都无法解密'],
  'work.save': ['The session is stored', '保存登录态'],
  'work.store.failed': ['the store returns an error', '存储返回错误'],

  'note.login.code': ['wx.login gives a code. It works once, for five minutes.', 'wx.login 返回 code：只能用一次，五分钟内有效。'],
  'note.login.done': [
    'The phone stores only the token. openid and session_key stay on the server.',
    '手机只保存 token。openid 和 session_key 留在服务器。'
  ],
  'note.me': [
    'The server checks the token and reads the session. It sends no request to WeChat.',
    '服务器校验 token 并读取登录态，不需要请求微信。'
  ],
  'note.phone': [
    'A phone code belongs to one tap. With it and an access_token, the server gets the number.',
    '手机号 code 只对应一次点击，服务器凭它和 access_token 换取手机号。'
  ],
  'note.unbind': ['This WeChat user is new: no account of the shop is bound.', '这个微信用户是新用户：还没有绑定店铺账号。'],
  'note.unbound': [
    'onLogin refuses the login. The code is used, and there is no session.',
    'onLogin 拒绝登录：code 已被使用，没有生成登录态。'
  ],
  'note.bound': [
    'A new code binds the account. Checking the password took most of the time. From now on the code is enough.',
    '用新的 code 绑定账号，耗时主要在校验密码。以后只凭 code 就能登录。'
  ],
  'note.codeRepeated': ['A faulty phone sends the previous code again.', '这台手机出了问题，又发送了上一次的 code。'],
  'note.codeUsed': [
    'The server refused the used code. The SDK called wx.login once more, and the new code worked.',
    '服务器拒绝了用过的 code。SDK 又调用了一次 wx.login，新的 code 登录成功。'
  ],
  'note.keyChanged': ['The session_key changes. WeChat notifies neither the phone nor the server.', 'session_key 失效了，微信不会通知手机，也不会通知服务器。'],
  'note.keyHealed': [
    'After the 409 the SDK signed in again and repeated the request. One tap was enough.',
    '收到 409 后，SDK 重新登录并重发请求。用户只点了一次。'
  ],
  'note.kicked': ['The shop ends this session: app.weapp.sessions.revoke()', '商家撤销了这个登录态：app.weapp.sessions.revoke()'],
  'note.stayOut': [
    'The SDK calls onSignedOut. It does not sign in by itself, because the shop ended the session on purpose.',
    'SDK 调用 onSignedOut。它不会自动重新登录，因为这是商家的决定。'
  ],
  'note.nothingSent': [
    'The next request is rejected on the phone, and nothing is sent. Only “Sign in with WeChat” ends this.',
    '下一个请求在手机上就被拒绝，不会发出。用户点击“微信登录”后才能恢复。'
  ],
  'note.busyOnce': ['WeChat is busy once: errcode -1.', '微信繁忙一次：errcode -1。'],
  'note.busyHealed': ['The server tried again: -1 is the only errcode that a retry can help with.', '服务器重试了一次：-1 表示系统繁忙，只有这个 errcode 适合重试。'],
  'note.busyLong': ['Now WeChat stays busy.', '现在微信一直繁忙。'],
  'note.busyRefused': [
    '503 with Retry-After: {0} s. The phone’s earlier session stays valid.',
    '503，Retry-After 为 {0} 秒。手机上原来的登录态仍然有效。'
  ],
  'note.storeDown': ['The store fails.', '存储发生故障。'],
  'note.storeRefused': [
    '503 with Retry-After: {0} s. No request passes the guard, and no user is signed out.',
    '503，Retry-After 为 {0} 秒。请求不会放行，但用户也不会被退出登录。'
  ],
  'note.storeUp': ['The store works again.', '存储恢复了。'],
  'note.storeHealed': ['The same token works again. No user had to sign in again.', '同一个 token 继续有效，无需重新登录。'],
  'note.expired': ['The session expires. Five pages load at once.', '登录态过期，五个页面同时加载。'],
  'note.oneLogin': [
    'Five requests were refused. The SDK sent {0} login and repeated all five.',
    '五个请求被拒绝。SDK 只登录了 {0} 次，五个请求全部重发成功。'
  ],
  'note.unexpected': ['Unexpected result: {0}', '意外的结果：{0}'],

  'result.welcome': ['Welcome, {0}.', '欢迎，{0}。'],
  'result.bind': ['Not bound yet: sign in to your account once.', '尚未绑定账号，请先验证一次账号。'],
  'result.wrongPassword': ['The username or the password is wrong.', '用户名或密码错误。'],
  'result.me': ['You are {0}. Signed in at {1}.', '你是 {0}，登录于 {1}。'],
  'result.phone': ['Your number is {0}.', '你的手机号是 {0}。'],
  'result.devices': ['You are signed in on {0} devices.', '你在 {0} 台设备上登录。'],
  'result.out': ['Signed out. The session has ended on the server.', '已退出登录，服务器上的登录态已结束。'],
  'result.outAll': ['Signed out on every device.', '已在所有设备上退出。'],
  'result.burst': ['Five pages loaded.', '五个页面已加载。'],
  'result.error': ['{0}', '{0}'],
  'result.signedOutBecause': ['The shop signed you out. Please sign in again.', '你已被商家退出登录，请重新登录。'],
  'result.signInRequired': ['You are signed out. Please sign in.', '你已退出登录，请先登录。']
} as const satisfies Record<string, readonly [en: string, zh: string]>
