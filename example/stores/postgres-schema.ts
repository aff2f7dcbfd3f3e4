/** The tables of postgres.ts, and what their rows are. */
import type { EndReason } from 'fastify-weapp'

/** To be run once, as any migration of the host's. */
export const schema = `
  CREATE TABLE IF NOT EXISTS weapp_users (
    user_id     text PRIMARY KEY,
    openid      text,  -- null for a user whose pending logins were ended and who has never signed in
    unionid     text,
    sealed      text,  -- the newest key
    fingerprint text,  -- of the newest key
    previous    text,  -- the key before it
    logins_ended_at bigint  -- when pending logins were ended, for an hour
  );
  CREATE TABLE IF NOT EXISTS weapp_sessions (
    user_id         text NOT NULL REFERENCES weapp_users,
    id              text NOT NULL,
    position        bigserial,  -- what happened when: creations among the live, endings among the ended
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
  /** A bigint comes as text. */
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
