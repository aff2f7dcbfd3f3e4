/** Everything that differs from one machine to another. */
module.exports = {
  /**
   * The example server, where `npm run example` starts it. It has no domain and no TLS, so DevTools must not check
   * domains: project.config.json says so (`urlCheck: false`; in DevTools: 详情 > 本地设置 > 不校验合法域名…).
   */
  baseUrl: 'http://127.0.0.1:3000',

  /**
   * The simulated WeChat of the example server, such as 'http://127.0.0.1:12345': the address in the line of
   * its output that begins with CODE=. Codes are then the simulator's and no account is needed. Empty: the
   * codes are WeChat's, and the server needs the same app id as this project, and its secret.
   */
  simulator: '',

  /** Who signs in there, by any name. */
  simulatedUser: 'alice'
}
