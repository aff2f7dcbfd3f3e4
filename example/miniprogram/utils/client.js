/** The client of this Mini Program. Every page shares it. */
const { baseUrl } = require('../config')
const { platform } = require('./platform')
// The built client. ../README.md explains how to create this file.
const { createWeappClient } = require('./weapp-client')

const client = createWeappClient({
  baseUrl,
  wx: platform,
  // The server has signed this device out. The user decides whether to sign in again.
  onSignedOut: (code) => wx.reLaunch({ url: `/pages/profile/profile?signedOut=${code}` })
})

/** Returns the body of a response. Rejects every status but 200. */
async function get (url) {
  const { statusCode, data } = await client.request({ url })
  if (statusCode !== 200) throw Object.assign(new Error(data.message), { code: data.code, statusCode })
  return data
}

module.exports = { client, get }
