import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "./errors.js";

const POLL_MS = 25;
const WAIT_MS = 60_000;

/**
 * Runs `work` while no other process holds the lock of this file. SQLite is here for its lock alone: the kernel lets
 * go of it when a process dies, so there is no stale lock file to recognise, and nothing is ever written to it.
 */
export async function withFileLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const lock = await acquire(file, Date.now() + WAIT_MS);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

async function acquire(file: string, deadline: number): Promise<DatabaseSync> {
  for (;;) {
    let lock: DatabaseSync | undefined;
    try {
      lock = new DatabaseSync(file, { timeout: 0 });
      lock.exec("BEGIN EXCLUSIVE");
      return lock;
    } catch (error) {
      lock?.close();
      if (!isBusy(error))
        throw new CliError(`cannot lock ${file}: ${(error as Error).message}`, { cause: error });
      if (Date.now() > deadline) {
        throw new CliError(`another drawbridge command has held ${file} for a minute; end it and try again`);
      }
    }
    await sleep(POLL_MS);
  }
}

const SQLITE_BUSY = 5;
const isBusy = (error: unknown): boolean => (error as { errcode?: unknown }).errcode === SQLITE_BUSY;
