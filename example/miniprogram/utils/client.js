/** The one client of this Mini Program. */
const { baseUrl } = require('../config')
const { platform } = require('./platform')
// A copy: README.md here says of what.
const { createWeappClient } = require('./weapp-client')

const client = createWeappClient({
  baseUrl,
  wx: platform,
  // The server has ended this sign-in. Signing in again is for the user to decide.
  onSignedOut: (code) => wx.reLaunch({ url: `/pages/profile/profile?signedOut=${code}` })
})

/** The body of an answer; any status but 200 rejects. */
async function get (url) {
  const { statusCode, data } = await client.request({ url })
  if (statusCode !== 200) throw Object.assign(new Error(data.message), { code: data.code, statusCode })
  return data
}

module.exports = { client, get }
