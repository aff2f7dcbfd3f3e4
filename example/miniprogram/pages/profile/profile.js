const { client, get } = require('../../utils/client')
const { messageOf } = require('../../utils/messages')

const SIGNED_OUT = { isSignedIn: false, me: null, devices: [] }

Page({
  data: { ...SIGNED_OUT, isBusy: false, isUnbound: false, message: '' },

  onLoad ({ signedOut }) {
    if (signedOut) this.setData({ message: messageOf({ code: signedOut }) })
  },

  /** Runs again when the user returns from the phone page, which may have signed in. */
  onShow () {
    this.setData({ isSignedIn: client.token !== null })
  },

  onSignIn () {
    return this.signIn()
  },

  /** Signs in for the first time. The server binds the WeChat user to the account of this username and password. */
  onBind ({ detail }) {
    const { username, password } = detail.value
    return this.signIn({ account: { username, password } })
  },

  signIn (extra) {
    return this.run(async () => {
      await client.login(extra)
      this.setData({ isUnbound: false, me: await get('/me') })
    })
  },

  onWhoAmI () {
    return this.run(async () => this.setData({ me: await get('/me') }))
  },

  onDevices () {
    return this.run(async () => {
      const { sessions } = await client.session()
      this.setData({
        devices: sessions.map(({ id, label, createdAt, current }) => ({
          id, current, name: label || '未命名设备', signedInAt: new Date(createdAt).toLocaleString()
        }))
      })
    })
  },

  onSignOut () {
    return this.run(() => client.logout())
  },

  onSignOutEverywhere () {
    return this.run(() => client.logout({ all: true }))
  },

  /** Runs an action. Shows its error and the sign-in state afterwards. */
  async run (action) {
    this.setData({ isBusy: true, message: '' })
    try {
      await action()
    } catch (error) {
      this.setData({ message: messageOf(error) })
      if (error.code === 'SHOP_ACCOUNT_NOT_BOUND') this.setData({ isUnbound: true })
    }
    this.setData({ isBusy: false, ...client.token === null ? SIGNED_OUT : { isSignedIn: true } })
  }
})
