import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type EmbeddedPostgres, startTemporaryPostgres } from "@drawbridge/embedded";
import pg from "pg";
import { type Config, loadConfig } from "../../config.js";
import { Clock } from "../clock.js";
import { Database } from "../database.js";
import { KeyEncryption } from "../key-encryption.js";
import { migrate } from "../migrations.js";

/** A clock that a test moves. */
export class HeldClock extends Clock {
  at = new Date("2026-11-22T12:00:00.000Z");

  override now(): Date {
    return new Date(this.at);
  }

  advance(milliseconds: number): void {
    this.at = new Date(this.at.getTime() + milliseconds);
  }
}

/** What the control plane stands on, real but for the clock, in a database of its own. */
export interface TestPlatform {
  readonly postgres: EmbeddedPostgres;
  readonly config: Config;
  readonly database: Database;
  readonly keys: KeyEncryption;
  /** A superuser beside the application: it looks, breaks connections, holds locks. */
  readonly admin: pg.Pool;
  stop(): Promise<void>;
}

export async function startTestPlatform(env: NodeJS.ProcessEnv = {}): Promise<TestPlatform> {
  const postgres = await startTemporaryPostgres();
  await migrate(postgres.ownerUrl);
  const directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-test-"));
  const keyFile = path.join(directory, "kek");
  await writeFile(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const config = loadConfig({
    DATABASE_URL: postgres.appUrl,
    OIDC_ISSUER: "http://127.0.0.1:1/",
    OIDC_CLIENT_ID: "test",
    DRAWBRIDGE_PUBLIC_URL: "http://127.0.0.1:8080",
    DRAWBRIDGE_KEK_FILE: keyFile,
    DRAWBRIDGE_ADMIN_GROUPS: "admins",
    DRAWBRIDGE_AUDITOR_GROUPS: "auditors",
    ...env,
  });
  const database = new Database(config);
  const admin = new pg.Pool({ connectionString: postgres.superuserUrl, max: 4 });
  admin.on("error", () => undefined);
  return {
    postgres,
    config,
    database,
    keys: new KeyEncryption(config),
    admin,
    stop: async () => {
      await Promise.all([database.onModuleDestroy(), admin.end()]);
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
