import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { processIdentity, readFileIfPresent, writePrivateFile } from "@drawbridge/embedded";

interface Mark {
  pid: number;
  /** Tells the process from a later one with the same pid. */
  identity: string;
}

/** Remembers a child, in case we are killed together with the guard that would stop it. */
export async function markRunning(directory: string, name: string, pid: number): Promise<void> {
  const identity = await processIdentity(pid);
  if (identity !== undefined)
    await writePrivateFile(markFile(directory, name), JSON.stringify({ pid, identity }));
}

export async function unmarkRunning(directory: string, name: string): Promise<void> {
  await rm(markFile(directory, name), { force: true });
}

/** Stops the children that an earlier, killed start left behind; returns their names. Never touches a stranger. */
export async function stopLeftoverChildren(directory: string): Promise<string[]> {
  const stopped: string[] = [];
  for (const file of await readdir(directory)) {
    const mark = await readMark(path.join(directory, file));
    if (mark !== undefined && (await isRunning(mark))) {
      await stop(mark);
      stopped.push(path.basename(file, ".json"));
    }
    await rm(path.join(directory, file), { force: true });
  }
  return stopped;
}

const markFile = (directory: string, name: string): string => path.join(directory, `${name}.json`);

async function readMark(file: string): Promise<Mark | undefined> {
  try {
    return JSON.parse((await readFileIfPresent(file)) ?? "") as Mark;
  } catch {
    return undefined;
  }
}

async function isRunning({ pid, identity }: Mark): Promise<boolean> {
  return (await processIdentity(pid)) === identity;
}

async function stop(mark: Mark): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (!(await isRunning(mark))) return;
    process.kill(mark.pid, signal);
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline && (await isRunning(mark))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
