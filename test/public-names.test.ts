/** Public names as a snapshot. A test fails when a name is added, removed or changed. */
import { test } from 'tap'
import * as client from '../src/client/index.js'
import * as server from '../src/index.js'
import * as testing from '../src/testing/index.js'
import { exportedNames } from './helpers/type-members.js'

const ENTRIES = [
  {
    entry: '.',
    file: 'src/index.ts',
    exported: server,
    values: [
      'FST_WEAPP_APP_UNKNOWN', 'FST_WEAPP_BUSY', 'FST_WEAPP_CODE_INVALID', 'FST_WEAPP_CODE_USED',
      'FST_WEAPP_DATA_INVALID', 'FST_WEAPP_DEVICE_INVALID', 'FST_WEAPP_INVALID_OPTION', 'FST_WEAPP_LOGIN_BLOCKED',
      'FST_WEAPP_NOT_GUARDED', 'FST_WEAPP_PAYMENT_NOT_CONFIGURED', 'FST_WEAPP_PHONE_CODE_INVALID',
      'FST_WEAPP_REPLY_INVALID', 'FST_WEAPP_SESSION_ENDED', 'FST_WEAPP_SESSION_EXPIRED',
      'FST_WEAPP_SESSION_KEY_MISSING', 'FST_WEAPP_SESSION_KEY_STALE', 'FST_WEAPP_SESSION_KICKED',
      'FST_WEAPP_SESSION_REPLACED', 'FST_WEAPP_SESSION_REVOKED', 'FST_WEAPP_STORE_UNAVAILABLE',
      'FST_WEAPP_TOKEN_EXPIRED', 'FST_WEAPP_TOKEN_INVALID', 'FST_WEAPP_TOKEN_MISSING', 'FST_WEAPP_WECHAT_BAD_REPLY',
      'FST_WEAPP_WECHAT_CONFIG', 'FST_WEAPP_WECHAT_LIMITED', 'FST_WEAPP_WECHAT_TIMEOUT', 'FST_WEAPP_WECHAT_UNAVAILABLE',
      'MAX_END_REASONS', 'PENDING_LOGIN_TTL_MS', 'appIdFromReferer', 'createWechatClient', 'databaseStore', 'default',
      'fastifyWeapp', 'isWeappError', 'memoryStore', 'mysqlSchema', 'mysqlStore', 'postgresSchema', 'postgresStore',
      'redisStore', 'sqliteSchema', 'sqliteStore'
    ],
    types: [
      'ApiRequest', 'AppOptions', 'AppSecrets', 'AppUser', 'CoinOrder', 'CommonOptions', 'CreateSession',
      'DatabaseLinesRead', 'DatabaseRead', 'DatabaseRecord', 'DatabaseStoreOptions', 'DatabaseWrite', 'DecryptFailure',
      'DecryptOptions', 'DispatcherLike', 'Duration', 'EndReason', 'ErrorDetails', 'GoodsOrder', 'Login', 'LoginBody',
      'LoginContext', 'LoginParams', 'LoginResponse', 'LoginRouteOptions', 'MemoryStoreOptions', 'MultiAppOptions',
      'MysqlCallbackPool', 'MysqlConnection', 'MysqlPool', 'MysqlStoreOptions', 'ObjectSchema', 'OnLogin',
      'OnLoginResult', 'PhoneNumber', 'PostgresPool', 'PostgresStoreOptions', 'RedisClient', 'RedisStoreOptions',
      'RequestLike', 'RouteDocumentation', 'RouteProtection', 'SealedKey', 'SelectApp', 'SessionAdmin', 'SessionData',
      'SessionDatabase', 'SessionKeyProof', 'SessionRecord', 'SessionRef', 'SessionStore', 'SessionSummary',
      'SignedApiRequest', 'SingleAppOptions', 'SqliteDatabase', 'SqliteStatement', 'SqliteStoreOptions', 'StoreWatcher',
      'StoredSession', 'TableOptions', 'UserData', 'UserOptions', 'UserRef', 'VirtualPaymentArguments',
      'VirtualPaymentCredentials', 'VirtualPaymentMode', 'VirtualPaymentOrder', 'VirtualPaymentsByApp', 'WeappError',
      'WeappErrorCode', 'WeappErrorConstructor', 'WeappEvents', 'WeappIdentity', 'WeappInstance', 'WeappOptions',
      'WeappRouteOptions', 'WeappSession', 'WechatClient', 'WechatClientOptions', 'WechatFile', 'WechatOptions',
      'WechatReply', 'WechatUser'
    ]
  },
  {
    entry: './client',
    file: 'src/client/index.ts',
    exported: client,
    values: ['createWeappClient'],
    types: [
      'Auth', 'LoginAnswer', 'SessionAnswer', 'SessionInfo', 'WeappClient', 'WeappClientError', 'WeappClientOptions',
      'WeappRequest', 'WeappTransfer', 'WeappUpload', 'Wx', 'WxResponse'
    ]
  },
  {
    entry: './testing',
    file: 'src/testing/index.ts',
    exported: testing,
    values: ['createMiniProgram', 'startWechatSimulator', 'storeSuite'],
    types: [
      'AppOptions', 'Apps', 'EncryptedData', 'FakeWx', 'Fault', 'FaultScope', 'MiniProgram', 'MiniProgramApi',
      'MiniProgramFault', 'MiniProgramFaultScope', 'MiniProgramOptions', 'MiniProgramRequest', 'OpenStore',
      'PhoneNumberOptions', 'StoreFactory', 'StoreSuiteOptions', 'TestFunction', 'VirtualPayment',
      'VirtualPaymentArguments', 'VirtualPaymentResult', 'VirtualPaymentSettings', 'WechatRequest', 'WechatSimulator',
      'WechatSimulatorOptions', 'WxCallbacks', 'WxFailure', 'WxRequestOptions', 'WxRequestResult', 'WxTask',
      'WxUploadOptions', 'WxUploadResult', 'WxVirtualPaymentOptions'
    ]
  }
]

const namesOfEntries = exportedNames(ENTRIES.map(({ file }) => file))

for (const [index, { entry, exported, values, types }] of ENTRIES.entries()) {
  test(`entry '${entry}': exports these names`, async (t) => {
    t.strictSame(Object.keys(exported).sort(), values, 'at runtime')
    t.strictSame(namesOfEntries[index]!.filter((name) => !values.includes(name)).sort(), types, 'as types')
  })
}
