/** The `wx` that signs in: WeChat's own, or one whose codes are those of the simulated WeChat in config.js. */
const { simulator, simulatedUser } = require('../config')

const isSimulated = simulator !== ''

function askSimulator (path, { success, fail }) {
  wx.request({
    url: `${simulator}/simulator/${path}?user=${encodeURIComponent(simulatedUser)}`,
    success: ({ data }) => success({ code: data.code }),
    fail
  })
}

const simulated = {
  login: (callbacks) => askSimulator('login', callbacks),
  checkSession: (callbacks) => wx.checkSession(callbacks),
  request: (options) => wx.request(options),
  getStorageSync: (key) => wx.getStorageSync(key),
  setStorageSync: (key, data) => wx.setStorageSync(key, data)
}

/** The code that a tap on the phone number button would give. */
function simulatedPhoneCode () {
  return new Promise((resolve, reject) => {
    askSimulator('phone-code', { success: ({ code }) => resolve(code), fail: reject })
  })
}

module.exports = { isSimulated, platform: isSimulated ? simulated : wx, simulatedPhoneCode }
