const { client } = require('../../utils/client')
const { messageOf } = require('../../utils/messages')
const { isSimulated, simulatedPhoneCode } = require('../../utils/platform')

Page({
  data: { isSimulated, isBusy: false, name: '', message: '' },

  /** The tap on the button. Its code is for the phone number and no other: the client adds that of wx.login. */
  async onPhoneNumber ({ detail }) {
    if (!detail.code) {
      // The user said no, or WeChat did: the app has to be verified and not a person's.
      this.setData({ message: `没有得到手机号（${detail.errMsg}）` })
      return
    }
    await this.signIn(detail.code)
  },

  async onSimulatedPhoneNumber () {
    try {
      await this.signIn(await simulatedPhoneCode())
    } catch ({ errMsg }) {
      this.setData({ message: `连接不上模拟的微信（${errMsg}）` })
    }
  },

  /** wx.login after the tap is harmless here: a phone code, unlike encryptedData, has nothing to do with the session_key. */
  async signIn (phoneCode) {
    this.setData({ isBusy: true, message: '' })
    try {
      const { user } = await client.login({ phoneCode })
      this.setData({ name: user.name })
    } catch (error) {
      this.setData({ message: messageOf(error) })
    }
    this.setData({ isBusy: false })
  }
})
