-- CreateTable
CREATE TABLE "tool_pin" (
    "target_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "accepted_digest" BYTEA,
    "accepted_definition" BYTEA,
    "accepted_at" TIMESTAMPTZ(3),
    "accepted_by" TEXT,
    "shown_digest" BYTEA NOT NULL,
    "shown_definition" BYTEA NOT NULL,
    "shown_since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "flags" TEXT[],
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tool_pin_pkey" PRIMARY KEY ("target_id","name")
);

-- CreateTable
CREATE TABLE "limit_usage" (
    "key" BYTEA NOT NULL,
    "window_start" TIMESTAMPTZ(3) NOT NULL,
    "used" BIGINT NOT NULL DEFAULT 0,
    "previous" BIGINT NOT NULL DEFAULT 0,
    "places" JSONB NOT NULL DEFAULT '{}',
    "used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "limit_usage_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "seen_principal" (
    "principal" TEXT NOT NULL,
    "oauth_client" TEXT NOT NULL,
    "email" TEXT,
    "groups" TEXT[],
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "seen_principal_pkey" PRIMARY KEY ("principal","oauth_client")
);

-- CreateIndex
CREATE INDEX "limit_usage_used_at_idx" ON "limit_usage"("used_at");

-- CreateIndex
CREATE INDEX "seen_principal_last_seen_at_idx" ON "seen_principal"("last_seen_at");

GRANT SELECT, INSERT, UPDATE, DELETE ON "tool_pin", "limit_usage", "seen_principal" TO drawbridge_app;

-- Whether a tool may be called depends on the definition it shows.
CREATE TRIGGER tool_pin_moves_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "tool_pin"
  FOR EACH STATEMENT EXECUTE FUNCTION move_authorization_epoch();
