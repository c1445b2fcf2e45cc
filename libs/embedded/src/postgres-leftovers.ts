import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { readFileIfPresent } from "./private-file.js";
import { commandLine } from "./process-identity.js";

/** The name in the title of every process of one cluster, so that its processes are known from all others. */
export function clusterName(dataDirectory: string): string {
  return `drawbridge-${createHash("sha256").update(dataDirectory).digest("hex").slice(0, 16)}`;
}

/**
 * Stops whatever still runs on this data: a postmaster whose launcher was killed, or the children of a postmaster
 * that was killed itself. Two postmasters on one data directory would destroy it, so this fails rather than guesses.
 * Returns how many processes it found.
 */
export async function stopLeftovers(dataDirectory: string): Promise<number> {
  const postmaster = await runningPostmaster(dataDirectory);
  if (postmaster !== undefined) {
    send(postmaster, "SIGINT");
    if (!(await ended(dataDirectory, 10_000))) send(postmaster, "SIGQUIT");
  }
  const orphans = await clusterProcesses(dataDirectory);
  for (const pid of orphans) send(pid, "SIGQUIT");
  if (!(await ended(dataDirectory, 5_000))) {
    for (const pid of await clusterProcesses(dataDirectory)) send(pid, "SIGKILL");
    if (!(await ended(dataDirectory, 5_000))) {
      throw new Error(
        `processes of an earlier Postgres on ${dataDirectory} do not end: ${orphans.join(", ")}`,
      );
    }
  }
  // Nothing of this cluster runs any more. Its pid may be a stranger's by now, which Postgres would take for a
  // postmaster and refuse to start.
  await rm(path.join(dataDirectory, "postmaster.pid"), { force: true });
  return orphans.length + (postmaster === undefined ? 0 : 1);
}

/** The pid of the postmaster that runs on this data, if one does. */
export async function runningPostmaster(dataDirectory: string): Promise<number | undefined> {
  const pidFile = await readFileIfPresent(path.join(dataDirectory, "postmaster.pid"));
  const pid = Number.parseInt(pidFile ?? "", 10);
  if (!(pid > 1)) return undefined;
  return (await commandLine(pid))?.includes(`cluster_name=${clusterName(dataDirectory)}`) ? pid : undefined;
}

async function clusterProcesses(dataDirectory: string): Promise<number[]> {
  const name = clusterName(dataDirectory);
  const postmaster = await runningPostmaster(dataDirectory);
  const pids =
    process.platform === "linux" ? (await readdir("/proc")).map(Number).filter((pid) => pid > 1) : [];
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = (await commandLine(pid)) ?? "";
      return line.startsWith(`postgres: ${name}:`) || pid === postmaster ? [pid] : [];
    }),
  );
  const all = found.flat();
  return postmaster === undefined || all.includes(postmaster) ? all : [...all, postmaster];
}

async function ended(dataDirectory: string, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while ((await clusterProcesses(dataDirectory)).length > 0) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new Error(
      `an earlier Postgres (process ${pid}) still runs and belongs to another user; stop it first`,
      {
        cause: error,
      },
    );
  }
}
