import './augment.js'

export { fastifyWeapp, fastifyWeapp as default } from './plugin.js'
export { mysqlSchema, mysqlStore } from './stores/database/mysql.js'
export { postgresSchema, postgresStore } from './stores/database/postgres.js'
export { sqliteSchema, sqliteStore } from './stores/database/sqlite.js'
export { databaseStore } from './stores/database/store.js'
export { memoryStore } from './stores/memory.js'
export { redisStore } from './stores/redis/store.js'
export { PENDING_LOGIN_TTL_MS, MAX_END_REASONS } from './stores/store.js'
export { createWechatClient } from './wechat-client.js'
export { appIdFromReferer } from './wechat/apps.js'
export * from './errors.js'

export type { SessionAdmin, AppUser } from './sessions/session-admin.js'
export type { DecryptFailure, WeappEvents } from './diagnostics/tracing.js'
export type { RequestLike } from './guard.js'
export type { Login, LoginBody, LoginContext, LoginParams, LoginResponse, OnLogin, SelectApp } from './login.js'
export type {
  DispatcherLike, CommonOptions, Duration, LoginRouteOptions, ObjectSchema, RouteDocumentation, MultiAppOptions,
  SingleAppOptions, WeappOptions, WeappRouteOptions, WechatOptions
} from './options.js'
export type { OnLoginResult } from './on-login-result.js'
export type { WeappInstance } from './plugin.js'
export type { RouteProtection } from './route-protection.js'
export type { SessionData } from './sessions/session-data.js'
export type { DecryptOptions } from './sessions/session-keys.js'
export type { SessionSummary, WeappIdentity, WeappSession } from './sessions/request-session.js'
export type {
  DatabaseLinesRead, DatabaseRead, DatabaseRecord, DatabaseWrite, SessionDatabase
} from './stores/database/contract.js'
export type { MysqlCallbackPool, MysqlConnection, MysqlPool, MysqlStoreOptions } from './stores/database/mysql.js'
export type { PostgresPool, PostgresStoreOptions } from './stores/database/postgres.js'
export type { SqliteDatabase, SqliteStatement, SqliteStoreOptions } from './stores/database/sqlite.js'
export type { DatabaseStoreOptions } from './stores/database/store.js'
export type { TableOptions } from './stores/database/table.js'
export type { MemoryStoreOptions } from './stores/memory.js'
export type { RedisClient } from './stores/redis/connection.js'
export type { RedisStoreOptions } from './stores/redis/store.js'
export type {
  CreateSession, EndReason, SealedKey, SessionRecord, SessionRef, SessionStore, StoredSession, StoreWatcher, UserRef
} from './stores/store.js'
export type { WechatClientOptions } from './wechat-client.js'
export type { AppSecrets } from './wechat/apps.js'
export type { ApiRequest, AppOptions, UserOptions } from './wechat/api-call.js'
export type { PhoneNumber, SessionKeyProof, WechatClient } from './wechat/client.js'
export type { WechatUser } from './wechat/code2session.js'
export type { WechatFile, WechatReply } from './wechat/response.js'
export type { UserData } from './wechat/user-data.js'
