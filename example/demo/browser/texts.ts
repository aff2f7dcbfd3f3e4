/** The texts of the page in both languages. */
import { language } from './preferences.js'
import { STORY_TEXTS } from './story-texts.js'

type Texts = Record<string, readonly [en: string, zh: string]>

const PAGE_TEXTS = {
  title: ['WeChat login, message by message', '微信登录，逐条消息看懂'],
  lead: [
    'A Mini Program, a Fastify server with fastify-weapp, a simulated WeChat. Every arrow was really sent.',
    '一个小程序、一台使用 fastify-weapp 的 Fastify 服务器、一个模拟的微信。每个箭头都是真实发送的消息。'
  ],
  language: ['中文', 'English'],
  'theme.auto': ['Theme: auto', '主题：自动'],
  'theme.light': ['Theme: light', '主题：浅色'],
  'theme.dark': ['Theme: dark', '主题：深色'],
  api: ['API docs', 'API 文档'],
  startOver: ['Start over', '重新开始'],
  startOverHint: ['Start over as a new user', '换一个新用户重新开始'],

  device: ['Phone', '手机'],
  devices: ['Your phones', '你的手机'],
  shop: ['Tea Shop', '茶铺'],
  notSignedIn: ['Not signed in yet', '尚未登录'],
  signedIn: ['Signed in', '已登录'],
  signedOut: ['Signed out', '已退出登录'],
  guest: ['Guest', '访客'],
  signIn: ['Sign in with WeChat', '微信登录'],
  whoAmI: ['Who am I?', '我是谁'],
  bind: ['Bind and sign in', '绑定并登录'],
  bindHint: [
    'This WeChat user has no account of the shop yet. Use alice / wonderland.',
    '这个微信用户还没有绑定店铺账号。演示账号：alice / wonderland。'
  ],
  username: ['Username', '用户名'],
  password: ['Password', '密码'],
  bindByPhone: ['Bind by phone number', '用手机号绑定'],
  phoneByCode: ['My phone number', '我的手机号'],
  phoneByCodeHint: ['by phone code, recommended', '手机号 code，推荐'],
  phoneByData: ['My phone number', '我的手机号'],
  phoneByDataHint: ['by encryptedData, the older way', 'encryptedData，旧方式'],
  myDevices: ['My devices', '我的设备'],
  signOut: ['Sign out', '退出登录'],
  signOutAll: ['Sign out everywhere', '退出所有设备'],
  thisDevice: ['this phone', '本机'],
  otherDevice: ['another phone', '另一台手机'],

  stories: ['How it works', '工作原理'],
  troubles: ['When things go wrong', '出错时会怎样'],
  messages: ['Messages', '消息'],
  empty: ['Choose a story above, or use the phone.', '请选择上面的场景，或直接操作手机。'],
  emptyPlay: ['Play: sign in with WeChat', '播放：微信登录'],
  'legend.request': ['request', '请求'],
  'legend.response': ['response', '响应'],
  'legend.refused': ['refusal', '拒绝'],
  'legend.work': ['work of the server', '服务器的处理'],
  'legend.note': ['an explanation', '说明'],
  'legend.hidden': ['a secret that this page never receives', '敏感信息，不会发送到本页面'],
  'legend.sealed': ['encrypted before it is stored (AES-256-GCM)', '加密后才存储（AES-256-GCM）'],
  replay: ['Replay', '重播'],
  back: ['Back', '上一步'],
  play: ['Play', '播放'],
  pause: ['Pause', '暂停'],
  step: ['Step', '下一步'],
  speed: ['Speed', '速度'],
  'speed.slow': ['slow', '慢'],
  'speed.normal': ['normal', '正常'],
  'speed.fast': ['fast', '快'],
  'speed.instant': ['instant', '立即'],

  'lane.phone': ['Phone', '手机'],
  'lane.server': ['Your server', '你的服务器'],
  'lane.wechat': ['WeChat', '微信'],
  hidden: ['hidden here', '此处已隐藏'],
  sealed: ['sealed', '已加密'],
  days: ['{0} days', '{0} 天'],
  openCode: ['Show the code', '查看代码'],
  inspect: ['Inspect a message', '查看消息内容'],
  inspectHint: ['Select an arrow to see its headers, its body, and the code that made it.', '点击任意箭头，查看它的头信息、内容以及对应的代码。'],
  'headers.request': ['Headers', '请求头'],
  'headers.response': ['Headers', '响应头'],
  'body.request': ['Body', '请求体'],
  'body.response': ['Body', '响应体'],
  serverCode: ['Server', '服务器代码'],
  sdkCode: ['Mini Program', '小程序代码']
} as const satisfies Texts

const TEXTS = { ...PAGE_TEXTS, ...STORY_TEXTS }

export type TextKey = keyof typeof TEXTS

/** A text with its values. It can be translated again when the language changes. */
export interface Text {
  textKey: TextKey
  values: unknown[]
}

export function text (textKey: TextKey, ...values: unknown[]): Text {
  return { textKey, values }
}

/** Returns a text in the current language. `values` replace `{0}`, `{1}` and so on. A date is shown as its time. */
export function translate (textKey: TextKey, ...values: unknown[]): string {
  const [en, zh] = TEXTS[textKey]
  return (language.value === 'en' ? en : zh).replace(/\{(\d)\}/g, (_, index) => {
    const value = values[Number(index)]
    return value instanceof Date ? timeOf(value) : String(value)
  })
}

export function timeOf (date: Date): string {
  return date.toLocaleTimeString(language.value === 'en' ? 'en' : 'zh-CN')
}

export function translateText ({ textKey, values }: Text): string {
  return translate(textKey, ...values)
}
