/** The tables of postgres.ts and the types of their rows. */
import type { EndReason } from 'fastify-weapp'

/** A migration that the host runs once. */
export const schema = `
  CREATE TABLE IF NOT EXISTS weapp_users (
    user_id     text PRIMARY KEY,
    openid      text,  -- null if the user's pending logins were ended before the first login
    unionid     text,
    sealed      text,  -- the newest key
    fingerprint text,  -- of the newest key
    previous    text,  -- the key before it
    logins_ended_at bigint  -- when pending logins were ended, for an hour
  );
  CREATE TABLE IF NOT EXISTS weapp_sessions (
    user_id         text NOT NULL REFERENCES weapp_users,
    id              text NOT NULL,
    position        bigserial,  -- order of creation of live sessions, order of the end of ended sessions
    reason          text,       -- null while the session is live
    created_at      bigint NOT NULL,
    expires_at      bigint NOT NULL,
    idle_expires_at bigint NOT NULL,
    label           text,
    data            text,
    PRIMARY KEY (user_id, id)
  );
  CREATE INDEX IF NOT EXISTS weapp_sessions_end ON weapp_sessions (idle_expires_at);
`

export interface SessionRow {
  id: string
  reason: EndReason | null
  /** pg returns a bigint as text. */
  created_at: string
  expires_at: string
  idle_expires_at: string
  label: string | null
  data: string | null
}

export interface RecordRow extends SessionRow {
  openid: string
  unionid: string | null
}

export interface KeysRow {
  sealed: string | null
  previous: string | null
}
