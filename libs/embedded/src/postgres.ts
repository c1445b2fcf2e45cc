import { EventEmitter } from "node:events";
import { rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { GuardedChild } from "./guarded-child.js";
import { findFreePort, isPortFree } from "./ports.js";
import { type Cluster, openCluster, readSettings, writeSettings } from "./postgres-cluster.js";
import { type DatabaseUrls, ensureDatabase, prepareRoles } from "./postgres-databases.js";
import { runningPostmaster, stopLeftovers } from "./postgres-leftovers.js";
import { PortTakenError, startServer } from "./postgres-server.js";

/** Time for a shutdown checkpoint; after it the server is ended by force and recovers at the next start. */
const STOP_WITHIN_MS = 10_000;

export interface PostgresOptions {
  /** Where settings, passwords and (where its account may enter) the data live. One start at a time. */
  directory: string;
  /** Insist on this port. Otherwise the stored one, or another when that is taken. */
  port?: number;
  /** Receives each line that Postgres writes. */
  log?: (line: string) => void;
  /** Root only: where data and programs go when Postgres' account cannot enter their own places. */
  fallbackDirectory?: string;
  /** The folder with Postgres' bin, lib and share; the one installed from npm when not given. */
  nativeDirectory?: string;
}

export interface PostgresEvents {
  /** The server ended by itself. It is started again at once. */
  died: [code: number];
  restarted: [];
  /** It could not be started again; each further try is announced, at most 5 s apart. */
  restartFailed: [error: Error];
}

export interface EmbeddedPostgres extends DatabaseUrls {
  readonly port: number;
  /** Where the data really is; not always under the given directory (root). */
  readonly dataDirectory: string;
  /** The postmaster's pid; another one after a restart. */
  readonly pid: number;
  readonly events: EventEmitter<PostgresEvents>;
  /** Makes a database (when it is missing) that belongs to drawbridge_owner, and says how to reach it. */
  createDatabase(name: string): Promise<DatabaseUrls>;
  /** Ends open sessions and stops the server. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts the Postgres of this directory with the database `drawbridge`; makes both at the first start. Stops what an
 * earlier, killed start left behind. Starts it again when it dies. It never outlives this process.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const directory = path.resolve(options.directory);
  const cluster = await openCluster({ ...options, directory });
  await stopLeftovers(cluster.settings.dataDirectory);
  const server = await startOnFreePort(cluster, options);
  await writeSettings(directory, cluster.settings);
  try {
    await prepareRoles(cluster.settings);
    const urls = await ensureDatabase(cluster.settings, "drawbridge");
    return supervise({ cluster, server, urls, log: options.log ?? (() => {}) });
  } catch (error) {
    await server.stop(STOP_WITHIN_MS);
    throw error;
  }
}

/** Stops what runs on this directory's data and removes all of it, wherever it is. */
export async function removePostgres(directory: string): Promise<void> {
  const settings = await readSettings(directory);
  if (settings !== undefined) {
    await stopLeftovers(settings.dataDirectory);
    await rm(settings.dataDirectory, { recursive: true, force: true });
    await rm(`${settings.dataDirectory}.partial`, { recursive: true, force: true });
    // Data that had to be kept elsewhere has a folder of its own there.
    if (path.dirname(settings.dataDirectory) !== path.resolve(directory)) {
      await rm(path.dirname(settings.dataDirectory), { recursive: true, force: true });
    }
  }
  await rm(directory, { recursive: true, force: true });
}

async function startOnFreePort(cluster: Cluster, options: PostgresOptions): Promise<GuardedChild> {
  const log = options.log ?? (() => {});
  if (options.port !== undefined) {
    cluster.settings.port = options.port;
    return startServer(cluster, log);
  }
  for (let tries = 1; ; tries++) {
    if (!(await isPortFree(cluster.settings.port))) cluster.settings.port = await findFreePort();
    try {
      return await startServer(cluster, log);
    } catch (error) {
      if (!(error instanceof PortTakenError) || tries === 3) throw error;
    }
  }
}

interface Running {
  cluster: Cluster;
  server: GuardedChild;
  urls: DatabaseUrls;
  log: (line: string) => void;
}

function supervise({ cluster, server: first, urls, log }: Running): EmbeddedPostgres {
  const events = new EventEmitter<PostgresEvents>();
  const stopping = new AbortController();
  let server = first;

  const watch = async (): Promise<void> => {
    while (true) {
      const { code } = await server.exited;
      if (stopping.signal.aborted) return;
      events.emit("died", code);
      const next = await restart();
      if (next === undefined) return;
      server = next;
      if (stopping.signal.aborted) return server.stop(STOP_WITHIN_MS);
      events.emit("restarted");
    }
  };
  const restart = async (): Promise<GuardedChild | undefined> => {
    for (let delayMs = 100; !stopping.signal.aborted; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        if ((await runningPostmaster(cluster.settings.dataDirectory)) !== undefined) {
          throw new Error(`another Postgres was started on ${cluster.settings.dataDirectory}`);
        }
        await stopLeftovers(cluster.settings.dataDirectory);
        return await startServer(cluster, log);
      } catch (error) {
        events.emit("restartFailed", error as Error);
        // Cut short by stop(), which is no error.
        await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    return undefined;
  };
  const watching = watch();

  return {
    ...urls,
    port: cluster.settings.port,
    dataDirectory: cluster.settings.dataDirectory,
    get pid() {
      return server.pid;
    },
    events,
    createDatabase: (name) => ensureDatabase(cluster.settings, name),
    stop: async () => {
      stopping.abort();
      await server.stop(STOP_WITHIN_MS);
      await watching;
    },
  };
}
