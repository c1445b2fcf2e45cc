-- AlterTable
ALTER TABLE "session" ADD COLUMN     "era" TEXT NOT NULL DEFAULT 'legacy',
ADD COLUMN     "replica" TEXT,
ADD COLUMN     "target_revision" INTEGER NOT NULL DEFAULT 1,
ALTER COLUMN "id_hash" DROP NOT NULL;

-- CreateTable
CREATE TABLE "target_versions" (
    "target_id" UUID NOT NULL,
    "revision" INTEGER NOT NULL,
    "versions" TEXT[],
    "learned_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "target_versions_pkey" PRIMARY KEY ("target_id")
);

-- CreateTable
CREATE TABLE "task" (
    "id_hash" BYTEA NOT NULL,
    "target_id" UUID NOT NULL,
    "principal" TEXT NOT NULL,
    "oauth_client" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "task_pkey" PRIMARY KEY ("id_hash")
);

-- CreateIndex
CREATE INDEX "task_created_at_idx" ON "task"("created_at");

-- One open session of the modern era for a principal, client and target at a replica: two first requests open one.
CREATE UNIQUE INDEX "session_open_modern_key" ON "session"("principal", "oauth_client", "target_id", "replica")
  WHERE "era" = 'modern' AND "closed_at" IS NULL;
ALTER TABLE "session" ADD CONSTRAINT "session_era_check"
  CHECK (("era" = 'legacy' AND "id_hash" IS NOT NULL) OR ("era" = 'modern' AND "id_hash" IS NULL AND "replica" IS NOT NULL));

GRANT SELECT, INSERT, UPDATE, DELETE ON "target_versions", "task" TO drawbridge_app;
