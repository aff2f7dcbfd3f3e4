/** The platform of the client: `wx`, or a wrapper with codes from the simulated WeChat in config.js. */
const { simulator, simulatedUser } = require('../config')

const isSimulated = simulator !== ''

function requestCode (path, { success, fail }) {
  wx.request({
    url: `${simulator}/simulator/${path}?user=${encodeURIComponent(simulatedUser)}`,
    success: ({ data }) => success({ code: data.code }),
    fail
  })
}

const simulated = {
  login: (callbacks) => requestCode('login', callbacks),
  checkSession: (callbacks) => wx.checkSession(callbacks),
  request: (options) => wx.request(options),
  getStorageSync: (key) => wx.getStorageSync(key),
  setStorageSync: (key, data) => wx.setStorageSync(key, data)
}

/** Returns a code like that of a tap on the phone number button. */
function simulatedPhoneCode () {
  return new Promise((resolve, reject) => {
    requestCode('phone-code', { success: ({ code }) => resolve(code), fail: reject })
  })
}

module.exports = { isSimulated, platform: isSimulated ? simulated : wx, simulatedPhoneCode }
