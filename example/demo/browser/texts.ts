/** The texts of the page in both languages. */
export type Language = 'en' | 'zh'

const TEXTS = {
  title: ['WeChat login, live', '微信登录，现场演示'],
  lead: [
    'Use the phone. Every arrow is a message that was really sent; secrets stay sealed.',
    '请操作手机。每个箭头都是真实发送的消息；秘密始终封存。'
  ],
  language: ['中文', 'English'],
  startOver: ['Start over as a new user', '换一个新用户重来'],
  device: ['Phone', '手机'],
  devices: ['Your phones', '你的手机'],
  shop: ['Tea Shop', '茶铺'],
  notSignedIn: ['Not signed in yet', '尚未登录'],
  signedIn: ['Signed in', '已登录'],
  signedOut: ['Signed out', '已退出'],
  guest: ['Stranger', '陌生人'],
  signIn: ['Sign in', '登录'],
  whoAmI: ['Who am I?', '我是谁？'],
  bind: ['Bind my account', '绑定我的账号'],
  bindHint: [
    'This WeChat user has no account here yet. The shop knows alice / wonderland.',
    '这个微信用户还没有绑定账号。可用 alice / wonderland。'
  ],
  username: ['Username', '用户名'],
  password: ['Password', '密码'],
  bindByPhone: ['Bind by phone number', '用手机号绑定'],
  phoneNumber: ['My phone number', '我的手机号'],
  byData: ['by encrypted data', '加密数据'],
  byCode: ['by phone code', '手机号 code'],
  myDevices: ['My devices', '我的设备'],
  signOut: ['Sign out', '退出登录'],
  signOutAll: ['Sign out everywhere', '退出所有设备'],
  thisDevice: ['this phone', '本机'],
  otherDevice: ['another phone', '另一台手机'],
  troubles: ['What goes wrong', '出错时会怎样'],
  keyDies: ['The session_key dies', 'session_key 失效'],
  keyDiesHint: ['then the phone number is tapped', '随后点按手机号'],
  codeTwice: ['A code is used twice', '同一个 code 用两次'],
  codeTwiceHint: ['WeChat answers 40163', '微信返回 40163'],
  unbind: ['A new user signs in', '新用户登录'],
  unbindHint: ['without an account of the shop', '还没有绑定店铺账号'],
  kick: ['Kick this device', '把这台设备踢下线'],
  kickHint: ['by the people of the shop', '由店家操作'],
  busy: ['WeChat is busy', '微信繁忙'],
  busyHint: ['once, then for longer', '先一次，再持续'],
  storeDown: ['The store is down', '存储不可用'],
  storeDownHint: ['and comes back', '之后恢复'],
  burst: ['The session expires', '登录态过期'],
  burstHint: ['and five requests meet it at once', '五个请求同时遇到'],
  messages: ['Messages', '消息'],
  empty: ['Nothing has been sent yet. Press “Sign in”.', '还没有消息。请点“登录”。'],
  clear: ['Clear', '清空'],
  'lane.phone': ['Phone', '手机'],
  'lane.server': ['Your server', '你的服务器'],
  'lane.wechat': ['WeChat', '微信'],
  sealed: ['sealed', '已封存'],
  toSee: ['See the messages', '查看消息'],
  start: ['The Mini Program starts', '小程序启动'],
  prepare: ['First, a sign-in', '先登录'],
  'work.decrypt.ok': ['session.decrypt opened it', 'session.decrypt 解密成功'],
  'work.decrypt.failed': ['session.decrypt: no key that it holds opens it', 'session.decrypt：手上的密钥都解不开'],
  'work.store.failed': ['the store failed', '存储出错'],
  'note.unbind': ['This WeChat user is new: no account of the shop is bound.', '这个微信用户是新用户：还没有绑定店铺账号。'],
  'note.unbound': ['onLogin refused: the code is spent, and there is no session.', 'onLogin 拒绝了：code 已消耗，没有建立登录态。'],
  'note.keyDied': ['The session_key dies. Nobody is told.', 'session_key 失效了，谁也没有收到通知。'],
  'note.keyHealed': [
    '409 → the SDK signed in again and repeated the request: one tap was enough, and nobody was signed out.',
    '409 → SDK 重新登录并重发请求：只点了一次，也没有人被退出。'
  ],
  'note.tapAgain': ['The SDK says: ask for the tap again.', 'SDK 说：请用户再点一次。'],
  'note.codeRepeated': ['A faulty phone sends the code of before.', '有问题的手机又发了刚才的 code。'],
  'note.codeUsed': [
    'The server refused the used code. The SDK called wx.login once more, and the new code worked.',
    '服务器拒绝了用过的 code。SDK 又调用了一次 wx.login，新的 code 登录成功。'
  ],
  'note.kicked': ['The shop ends this session: app.weapp.sessions.revoke()', '店家结束这个登录态：app.weapp.sessions.revoke()'],
  'note.stayOut': [
    'Kicked: the SDK calls onSignedOut and does not sign in behind anybody’s back.',
    '被踢下线：SDK 调用 onSignedOut，绝不偷偷重新登录。'
  ],
  'note.nothingSent': [
    'The next request was rejected on the phone: nothing was sent. Only “Sign in” ends this.',
    '下一个请求在手机上就被拒绝，什么也没发送。只有点“登录”才能恢复。'
  ],
  'note.busyOnce': ['WeChat will be busy (-1) once.', '微信将繁忙（-1）一次。'],
  'note.busyHealed': ['The server asked again by itself: -1 means that nothing happened.', '服务器自己重试：-1 表示什么都没发生。'],
  'note.busyLong': ['Now WeChat stays busy.', '现在微信一直繁忙。'],
  'note.busyRefused': [
    '503: a later login may work (Retry-After {0} s). The phone is still signed in as before.',
    '503：稍后再登录（Retry-After {0} 秒）。手机仍保持原来的登录态。'
  ],
  'note.storeDown': ['The store is down.', '存储不可用了。'],
  'note.storeRefused': [
    '503, never a guess: nobody is let in and nobody is signed out (Retry-After {0} s). The token is kept.',
    '503，绝不猜测：不放行任何人，也不踢掉任何人（Retry-After {0} 秒）。token 仍保留。'
  ],
  'note.storeUp': ['The store is back.', '存储恢复了。'],
  'note.storeHealed': ['The same token works again: nobody had to sign in.', '同一个 token 继续有效：无需重新登录。'],
  'note.expired': ['The session expires. Five pages load at once.', '登录态过期，五个页面同时加载。'],
  'note.oneLogin': [
    'Five requests were refused, the SDK signed in {0}×, and all five were repeated.',
    '五个请求被拒绝，SDK 只登录了 {0} 次，五个请求全部重发成功。'
  ],
  'note.refused': ['It ended with {0}', '结果：{0}'],
  'result.pending': ['…', '…'],
  'result.welcome': ['Welcome, {0}.', '欢迎，{0}。'],
  'result.bind': ['Not bound yet: show which account is yours.', '尚未绑定：请证明账号是你的。'],
  'result.wrongPassword': ['The username or the password is wrong.', '用户名或密码错误。'],
  'result.me': ['You are {0}. Signed in at {1}.', '你是 {0}，登录于 {1}。'],
  'result.phone': ['Your number is {0}.', '你的手机号是 {0}。'],
  'result.out': ['Signed out. The session has ended on the server.', '已退出。服务器上的登录态已结束。'],
  'result.outAll': ['Signed out on every device.', '已在所有设备上退出。'],
  'result.burst': ['Five pages loaded.', '五个页面已加载。'],
  'result.error': ['{0}', '{0}'],
  'result.signedOutBecause': ['The shop signed this phone out ({0}).', '店家已让本机退出登录（{0}）。'],
  'result.signInRequired': ['This phone is signed out: press “Sign in”.', '本机已退出：请点“登录”。']
} as const satisfies Record<string, readonly [en: string, zh: string]>

export type TextKey = keyof typeof TEXTS

/** A text with its values. It can be translated again when the language changes. */
export interface Text {
  textKey: TextKey
  values: unknown[]
}

export function text (textKey: TextKey, ...values: unknown[]): Text {
  return { textKey, values }
}

const KEY = 'demo-language'

const stored = localStorage.getItem(KEY)
let language: Language = stored === 'zh' || (stored === null && navigator.language.startsWith('zh')) ? 'zh' : 'en'

export function currentLanguage (): Language {
  return language
}

export function toggleLanguage (): void {
  language = language === 'en' ? 'zh' : 'en'
  localStorage.setItem(KEY, language)
}

/** Returns a text in the current language. `values` replace `{0}`, `{1}` and so on. */
export function translate (textKey: TextKey, ...values: unknown[]): string {
  return TEXTS[textKey][language === 'en' ? 0 : 1].replace(/\{(\d)\}/g, (_, index) => String(values[Number(index)]))
}
