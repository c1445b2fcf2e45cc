-- The roles: drawbridge_owner owns the tables and runs migrations and retention; drawbridge_app is what the control
-- plane works as. deploy/postgres/roles.sql creates both; a database that was made another way gets them here.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'drawbridge_app') THEN
    CREATE ROLE drawbridge_app NOLOGIN;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION 'the role drawbridge_app is missing; run deploy/postgres/roles.sql as a superuser first';
END $$;

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "authorization_epoch" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "value" BIGINT NOT NULL DEFAULT 1,

    CONSTRAINT "authorization_epoch_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "certificate_authority" (
    "id" UUID NOT NULL,
    "certificate_pem" TEXT NOT NULL,
    "sealed_key" BYTEA NOT NULL,
    "state" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "retired_at" TIMESTAMPTZ(3),

    CONSTRAINT "certificate_authority_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "agent" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "agent_group" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'active',
    "current_serial" TEXT NOT NULL,
    "next_serial" TEXT,
    "certificate_ends_at" TIMESTAMPTZ(3) NOT NULL,
    "sealing_public_key" BYTEA NOT NULL,
    "epoch" BIGINT NOT NULL DEFAULT 0,
    "version" TEXT NOT NULL,
    "features" TEXT[],
    "isolation" TEXT NOT NULL DEFAULT 'none',
    "joined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3),

    CONSTRAINT "agent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "join_token" (
    "id" UUID NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "agent_group" TEXT NOT NULL,
    "agent_name" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "agent_id" UUID,

    CONSTRAINT "join_token_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "target" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "agent_group" TEXT NOT NULL,
    "labels" JSONB NOT NULL,
    "definition" JSONB NOT NULL,
    "sealed_values" BYTEA NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "target_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "policy" (
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "policy_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "policy_version" (
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "document" JSONB NOT NULL,
    "source" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "policy_version_pkey" PRIMARY KEY ("name","version")
);

-- CreateTable
CREATE TABLE "session" (
    "id" UUID NOT NULL,
    "id_hash" BYTEA NOT NULL,
    "principal" TEXT NOT NULL,
    "email" TEXT,
    "oauth_client" TEXT NOT NULL,
    "client_name" TEXT,
    "target_id" UUID NOT NULL,
    "target_name" TEXT NOT NULL,
    "agent_id" UUID,
    "protocol_version" TEXT,
    "opened_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_activity_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "closed_at" TIMESTAMPTZ(3),
    "close_reason" TEXT,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "recording" (
    "id" UUID NOT NULL,
    "wrapped_key" BYTEA NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "recording_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "recording_event" (
    "recording_id" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "kind" SMALLINT NOT NULL,
    "exchange" BIGINT NOT NULL,
    "method" TEXT,
    "name" TEXT,
    "decision" TEXT,
    "rule" TEXT,
    "sealed" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "recording_event_pkey" PRIMARY KEY ("recording_id","index")
);

-- CreateTable
CREATE TABLE "audit_event" (
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "details" JSONB NOT NULL,

    CONSTRAINT "audit_event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "principal" TEXT NOT NULL,
    "route" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_digest" BYTEA NOT NULL,
    "status" INTEGER,
    "response" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("principal","route","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "agent_name_key" ON "agent"("name");

-- CreateIndex
CREATE INDEX "agent_agent_group_idx" ON "agent"("agent_group");

-- CreateIndex
CREATE UNIQUE INDEX "join_token_token_hash_key" ON "join_token"("token_hash");

-- CreateIndex
CREATE UNIQUE INDEX "target_name_key" ON "target"("name");

-- CreateIndex
CREATE UNIQUE INDEX "session_id_hash_key" ON "session"("id_hash");

-- CreateIndex
CREATE INDEX "session_principal_opened_at_idx" ON "session"("principal", "opened_at" DESC);

-- CreateIndex
CREATE INDEX "session_target_name_opened_at_idx" ON "session"("target_name", "opened_at" DESC);

-- CreateIndex
CREATE INDEX "session_last_activity_at_idx" ON "session"("last_activity_at");

-- CreateIndex
CREATE INDEX "audit_event_at_idx" ON "audit_event"("at" DESC);

-- CreateIndex
CREATE INDEX "idempotency_key_created_at_idx" ON "idempotency_key"("created_at");

-- What recovery after a crash and the lists of recordings look for. Partial: most events are neither, and every index
-- is paid for on the hot path. Kinds as in recordings/event-kind.ts: 1 request; 2 response, 7 not_sent, 8 outcome_unknown.
CREATE INDEX "recording_event_request_idx" ON "recording_event"("recording_id", "exchange") INCLUDE ("method")
  WHERE "kind" = 1 AND "exchange" <> 0;
CREATE INDEX "recording_event_end_idx" ON "recording_event"("recording_id", "exchange") WHERE "kind" IN (2, 7, 8);
CREATE INDEX "recording_open_idx" ON "recording"("id") WHERE "ended_at" IS NULL;
-- Encrypted bytes do not compress; without this Postgres tries for every event above 2 KB.
ALTER TABLE "recording_event" ALTER COLUMN "sealed" SET STORAGE EXTERNAL;

-- Privileges of the application role. Tables made later need their own line: there is no default privilege.
GRANT USAGE ON SCHEMA public TO drawbridge_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
  "certificate_authority", "agent", "join_token", "target", "policy", "session", "recording", "idempotency_key"
  TO drawbridge_app;
GRANT SELECT, UPDATE ON "authorization_epoch" TO drawbridge_app;
-- Append-only for the application.
GRANT SELECT, INSERT ON "policy_version", "recording_event", "audit_event" TO drawbridge_app;

-- Append-only for everybody but the owner, whatever is granted later.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> (SELECT tableowner FROM pg_tables WHERE schemaname = TG_TABLE_SCHEMA AND tablename = TG_TABLE_NAME) THEN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER policy_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "policy_version"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER recording_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "recording_event"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_event"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The authorization epoch: any change to what decisions are made from moves it, by hand in psql as well. The trigger
-- runs as the owner of the function so that no grant can be forgotten.
INSERT INTO "authorization_epoch" ("id", "value") VALUES (1, 1);
CREATE FUNCTION move_authorization_epoch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  UPDATE "authorization_epoch" SET "value" = "value" + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER policy_moves_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "policy"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
CREATE TRIGGER target_moves_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "target"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
-- A session that ends by itself takes nothing away from anybody; whoever ends another's session moves the epoch.
CREATE TRIGGER agent_state_moves_epoch AFTER UPDATE OF "state" ON "agent"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
