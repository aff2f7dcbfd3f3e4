const { client, get } = require('../../utils/client')
const { messageOf } = require('../../utils/messages')

const NOBODY = { isSignedIn: false, me: null, devices: [] }

Page({
  data: { ...NOBODY, isBusy: false, isUnbound: false, message: '' },

  onLoad ({ signedOut }) {
    if (signedOut) this.setData({ message: messageOf({ code: signedOut }) })
  },

  /** Also when the phone page, which may have signed in, is left. */
  onShow () {
    this.setData({ isSignedIn: client.token !== null })
  },

  onSignIn () {
    return this.signIn()
  },

  /** The first time, username and password go along: the server binds the WeChat user to that account. */
  onBind ({ detail }) {
    const { username, password } = detail.value
    return this.signIn({ account: { username, password } })
  },

  signIn (extra) {
    return this.attempt(async () => {
      await client.login(extra)
      this.setData({ isUnbound: false, me: await get('/me') })
    })
  },

  onWhoAmI () {
    return this.attempt(async () => this.setData({ me: await get('/me') }))
  },

  onDevices () {
    return this.attempt(async () => {
      const { sessions } = await client.session()
      this.setData({
        devices: sessions.map(({ id, label, createdAt, current }) => ({
          id, current, name: label || '未命名设备', signedInAt: new Date(createdAt).toLocaleString()
        }))
      })
    })
  },

  onSignOut () {
    return this.attempt(() => client.logout())
  },

  onSignOutEverywhere () {
    return this.attempt(() => client.logout({ all: true }))
  },

  /** Says what went wrong, and shows what is true afterwards. */
  async attempt (work) {
    this.setData({ isBusy: true, message: '' })
    try {
      await work()
    } catch (error) {
      this.setData({ message: messageOf(error) })
      if (error.code === 'SHOP_ACCOUNT_NOT_BOUND') this.setData({ isUnbound: true })
    }
    this.setData({ isBusy: false, ...client.token === null ? NOBODY : { isSignedIn: true } })
  }
})
