/** Settings of this machine. */
module.exports = {
  /**
   * The URL of the example server that `npm run example` starts. It has no domain and no TLS, so DevTools must not
   * check domains. project.config.json sets `urlCheck: false` (in DevTools: 详情 > 本地设置 > 不校验合法域名…).
   */
  baseUrl: 'http://127.0.0.1:3000',

  /**
   * The URL of the simulated WeChat, such as 'http://127.0.0.1:12345'. The example server prints it in the line that
   * begins with CODE=. The codes then come from the simulator, and no account is necessary. If it is empty, the codes
   * come from WeChat. The server then needs the app id of this project and its secret.
   */
  simulator: '',

  /** The user of the simulator: any non-empty name. */
  simulatedUser: 'alice'
}
