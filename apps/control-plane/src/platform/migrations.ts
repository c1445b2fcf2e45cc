import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { migrateJobs } from "./jobs.js";
import { connectSchemaEngine, type SchemaEngine } from "./schema-engine.js";

// Any constant will do as long as nothing else in the database uses it: "drawbrid" in ASCII.
const ADVISORY_LOCK = "7238275021716416868";

/**
 * Applies the migrations that the database does not have yet, as the role that owns the tables. Replicas that
 * start together wait for each other. Returns the names of the applied ones.
 */
export async function migrate(ownerUrl: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: ownerUrl });
  await lock.connect();
  try {
    await lock.query("select pg_advisory_lock($1)", [ADVISORY_LOCK]);
    const engine = await connectSchemaEngine(ownerUrl);
    try {
      await forgetFailedMigrations(lock, engine);
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList: await readMigrations(),
        filters: { externalTables: [], externalEnums: [] },
      });
      for (const grant of await migrateJobs(ownerUrl)) await lock.query(grant);
      return appliedMigrationNames;
    } finally {
      engine.free();
    }
  } finally {
    await lock.end();
  }
}

/**
 * A migration that failed blocks every later one until somebody says that it was rolled back. Ours are one
 * transaction each, so a failed one left nothing behind and may be tried again.
 */
async function forgetFailedMigrations(client: pg.Client, engine: SchemaEngine): Promise<void> {
  const table = await client.query("select to_regclass('_prisma_migrations') as found");
  if (!(table.rows as { found: unknown }[])[0]?.found) return;
  const failed = await client.query<{ migration_name: string }>(
    "select migration_name from _prisma_migrations where finished_at is null and rolled_back_at is null",
  );
  for (const { migration_name: migrationName } of failed.rows) {
    await engine.markMigrationRolledBack({ migrationName });
  }
}

/** The folder `prisma/`, from the sources and from the build alike. */
export function prismaDirectory(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(directory, "prisma", "schema.prisma"))) {
    const parent = path.dirname(directory);
    if (parent === directory) throw new Error("the folder prisma/ is missing beside the control plane");
    directory = parent;
  }
  return path.join(directory, "prisma");
}

async function readMigrations() {
  const baseDir = path.join(prismaDirectory(), "migrations");
  const names = (await readdir(baseDir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const migrationDirectories = await Promise.all(
    names
      .map((entry) => entry.name)
      .toSorted()
      .map(async (name) => ({
        path: name,
        migrationFile: {
          path: "migration.sql",
          content: {
            tag: "ok" as const,
            value: await readFile(path.join(baseDir, name, "migration.sql"), "utf8"),
          },
        },
      })),
  );
  return {
    baseDir,
    lockfile: {
      path: "migration_lock.toml",
      content: await readFile(path.join(baseDir, "migration_lock.toml"), "utf8"),
    },
    shadowDbInitScript: "",
    migrationDirectories,
  };
}
