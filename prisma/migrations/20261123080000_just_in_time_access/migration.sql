-- CreateTable
CREATE TABLE "access_request" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "email" TEXT,
    "identities" TEXT[],
    "groups" TEXT[],
    "oauth_client" TEXT NOT NULL,
    "target_id" UUID NOT NULL,
    "target_name" TEXT NOT NULL,
    "tools" TEXT[],
    "policy" TEXT NOT NULL,
    "policy_version" INTEGER NOT NULL,
    "terms" JSONB NOT NULL,
    "reason" TEXT,
    "ticket" TEXT,
    "duration_ms" BIGINT NOT NULL,
    "starts_at" TIMESTAMPTZ(3),
    "state" TEXT NOT NULL DEFAULT 'pending',
    "session_id" UUID,
    "grant_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "escalated_at" TIMESTAMPTZ(3),
    "decided_at" TIMESTAMPTZ(3),
    "decided_by" TEXT,
    "comment" TEXT,

    CONSTRAINT "access_request_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "access_grant" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "request_id" UUID,
    "principal" TEXT NOT NULL,
    "email" TEXT,
    "target_id" UUID NOT NULL,
    "target_name" TEXT NOT NULL,
    "tools" TEXT[],
    "policy" TEXT NOT NULL,
    "reason" TEXT,
    "ticket" TEXT,
    "session_id" UUID,
    "operation_digest" BYTEA,
    "uses_left" INTEGER,
    "state" TEXT NOT NULL DEFAULT 'active',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "ended_by" TEXT,
    "end_reason" TEXT,
    "review_state" TEXT,
    "reviewed_by" TEXT,
    "reviewed_at" TIMESTAMPTZ(3),
    "review_comment" TEXT,

    CONSTRAINT "access_grant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "approval" (
    "id" UUID NOT NULL,
    "session_id" UUID NOT NULL,
    "exchange" BIGINT NOT NULL,
    "principal" TEXT NOT NULL,
    "email" TEXT,
    "identities" TEXT[],
    "oauth_client" TEXT NOT NULL,
    "target_id" UUID NOT NULL,
    "target_name" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "name" TEXT,
    "requested_digest" BYTEA NOT NULL,
    "approved_digest" BYTEA,
    "sealed" BYTEA,
    "preview" BYTEA NOT NULL,
    "edited_preview" BYTEA,
    "policy" TEXT NOT NULL,
    "policy_version" INTEGER NOT NULL,
    "rule" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "review" JSONB NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "task_hash" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "escalated_at" TIMESTAMPTZ(3),
    "present_until" TIMESTAMPTZ(3) NOT NULL,
    "decided_at" TIMESTAMPTZ(3),
    "decided_by" TEXT,
    "comment" TEXT,
    "session_uses" INTEGER,
    "ended_at" TIMESTAMPTZ(3),
    "end_reason" TEXT,
    "told_at" TIMESTAMPTZ(3),

    CONSTRAINT "approval_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "review_vote" (
    "subject_id" UUID NOT NULL,
    "principal" TEXT NOT NULL,
    "identities" TEXT[],
    "groups" TEXT[],
    "verdict" TEXT NOT NULL,
    "comment" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "review_vote_pkey" PRIMARY KEY ("subject_id","principal")
);

-- CreateTable
CREATE TABLE "lock" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "released_at" TIMESTAMPTZ(3),
    "released_by" TEXT,

    CONSTRAINT "lock_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "live_event" (
    "id" BIGSERIAL NOT NULL,
    "transaction" DECIMAL(20,0) NOT NULL DEFAULT (pg_current_xact_id()::text)::numeric,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "principals" TEXT[],
    "groups" TEXT[],
    "permission" TEXT NOT NULL,
    "data" JSONB NOT NULL,

    CONSTRAINT "live_event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_channel" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "sealed" BYTEA,
    "events" TEXT[],
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "notification_channel_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_delivery" (
    "id" UUID NOT NULL,
    "channel_id" UUID NOT NULL,
    "event_id" BIGINT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "delivered_at" TIMESTAMPTZ(3),

    CONSTRAINT "notification_delivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_cursor" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "transaction" DECIMAL(20,0) NOT NULL DEFAULT 0,
    "event_id" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "notification_cursor_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "access_request_principal_id_idx" ON "access_request"("principal", "id" DESC);

-- CreateIndex
CREATE INDEX "access_request_state_expires_at_idx" ON "access_request"("state", "expires_at");

-- CreateIndex
CREATE INDEX "access_grant_principal_state_idx" ON "access_grant"("principal", "state");

-- CreateIndex
CREATE INDEX "access_grant_state_ends_at_idx" ON "access_grant"("state", "ends_at");

-- CreateIndex
CREATE INDEX "access_grant_session_id_idx" ON "access_grant"("session_id");

-- CreateIndex
CREATE UNIQUE INDEX "approval_task_hash_key" ON "approval"("task_hash");

-- CreateIndex
CREATE INDEX "approval_state_expires_at_idx" ON "approval"("state", "expires_at");

-- CreateIndex
CREATE INDEX "approval_session_id_requested_digest_idx" ON "approval"("session_id", "requested_digest");

-- CreateIndex
CREATE INDEX "approval_principal_id_idx" ON "approval"("principal", "id" DESC);

-- CreateIndex
CREATE INDEX "lock_kind_subject_idx" ON "lock"("kind", "subject");

-- CreateIndex
CREATE INDEX "live_event_transaction_id_idx" ON "live_event"("transaction", "id");

-- CreateIndex
CREATE INDEX "live_event_at_idx" ON "live_event"("at");

-- CreateIndex
CREATE UNIQUE INDEX "notification_channel_name_key" ON "notification_channel"("name");

-- CreateIndex
CREATE INDEX "notification_delivery_state_next_attempt_at_idx" ON "notification_delivery"("state", "next_attempt_at");

-- CreateIndex
CREATE UNIQUE INDEX "notification_delivery_channel_id_event_id_key" ON "notification_delivery"("channel_id", "event_id");

-- One open approval of an operation in a session: a repeat of the call finds it.
CREATE UNIQUE INDEX "approval_open_key" ON "approval"("session_id", "requested_digest")
  WHERE "state" IN ('pending', 'approved');

-- One lock in force.
CREATE UNIQUE INDEX "lock_in_force_key" ON "lock"("kind", "subject") WHERE "released_at" IS NULL;

-- At most one grant of its own for a policy in a session.
CREATE UNIQUE INDEX "access_grant_self_key" ON "access_grant"("session_id", "policy")
  WHERE "kind" = 'self' AND "state" = 'active';

ALTER TABLE "access_request" ADD CONSTRAINT "access_request_state_check"
  CHECK ("state" IN ('pending', 'approved', 'denied', 'expired', 'withdrawn'));
ALTER TABLE "access_grant" ADD CONSTRAINT "access_grant_state_check"
  CHECK ("state" IN ('active', 'ended', 'returned', 'revoked'));
ALTER TABLE "approval" ADD CONSTRAINT "approval_state_check"
  CHECK ("state" IN ('pending', 'approved', 'consumed', 'denied', 'expired', 'cancelled', 'revoked'));
-- Whatever ends an approval erases the operation, whoever forgets it.
ALTER TABLE "approval" ADD CONSTRAINT "approval_sealed_check"
  CHECK (("sealed" IS NOT NULL) = ("state" IN ('pending', 'approved')));

INSERT INTO "notification_cursor" ("id") VALUES (1);

GRANT SELECT, INSERT, UPDATE ON "access_request", "access_grant", "approval", "lock" TO drawbridge_app;
GRANT SELECT, INSERT ON "review_vote" TO drawbridge_app;
-- Kept for some days: who watches comes back with where it was.
GRANT SELECT, INSERT, DELETE ON "live_event" TO drawbridge_app;
GRANT USAGE, SELECT ON SEQUENCE "live_event_id_seq" TO drawbridge_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON "notification_channel", "notification_delivery" TO drawbridge_app;
GRANT SELECT, UPDATE ON "notification_cursor" TO drawbridge_app;

-- Whether a call may pass depends on these.
CREATE TRIGGER access_grant_moves_epoch AFTER INSERT OR UPDATE OF "state", "starts_at", "ends_at", "tools" OR DELETE ON "access_grant"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
CREATE TRIGGER access_grant_truncate_moves_epoch AFTER TRUNCATE ON "access_grant"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
CREATE TRIGGER lock_moves_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "lock"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
