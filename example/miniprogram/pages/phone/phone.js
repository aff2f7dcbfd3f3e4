const { client } = require('../../utils/client')
const { messageOf } = require('../../utils/messages')
const { isSimulated, simulatedPhoneCode } = require('../../utils/platform')

Page({
  data: { isSimulated, isBusy: false, name: '', message: '' },

  /** Handles a tap on the button. Its code is for the phone number only. The client adds the code of wx.login. */
  async onPhoneNumber ({ detail }) {
    if (!detail.code) {
      // The user refused, or WeChat did because the app is not verified or is a personal one.
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

  /** Signs in. wx.login after the tap is harmless, because a phone code does not depend on the session_key. */
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
