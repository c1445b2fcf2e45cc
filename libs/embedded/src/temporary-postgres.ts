import { chmod, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type EmbeddedPostgres, removePostgres, startPostgres } from "./postgres.js";

/** A Postgres for one test run: as the real one in every setting, and gone without a trace after stop(). */
export async function startTemporaryPostgres(): Promise<EmbeddedPostgres> {
  const parent = await mkdtemp(path.join(os.tmpdir(), "drawbridge-postgres-"));
  const directory = path.join(parent, "postgres");
  await chmod(parent, 0o711);
  const postgres = await startPostgres({ directory });
  const stopServer = postgres.stop.bind(postgres);
  const stop = async (): Promise<void> => {
    await stopServer();
    await removePostgres(directory);
    await rm(parent, { recursive: true, force: true });
  };
  return Object.assign(postgres, { stop });
}
