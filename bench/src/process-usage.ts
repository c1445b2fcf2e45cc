import { readdir, readFile } from "node:fs/promises";

/** A part of what is measured; one part may be several processes. */
export interface Part {
  readonly name: string;
  readonly pids: readonly number[];
}

export interface Usage {
  /** Resident megabytes (10^6 bytes); memory that several processes share is counted once. */
  readonly rssMb: number;
  /** Processor seconds since the processes began. */
  readonly cpuSeconds: number;
}

// USER_HZ, in which the kernel counts: 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100;
const KIB = 1024;

/** What the processes of a part use now, as Linux counts it. */
export async function usageOf({ pids }: Part): Promise<Usage> {
  const each = await Promise.all(pids.map(usageOfProcess));
  return {
    rssMb: each.reduce((sum, { rssMb }) => sum + rssMb, 0),
    cpuSeconds: each.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
  };
}

async function usageOfProcess(pid: number, _index: number, all: readonly number[]): Promise<Usage> {
  try {
    const [stat, memory] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/smaps_rollup`, "utf8"),
    ]);
    // A process alone counts whole; of several, each counts its share of what they have in common.
    const [, kib] = (all.length === 1 ? /^Rss: +(\d+)/m : /^Pss: +(\d+)/m).exec(memory) ?? [];
    // The name, in parentheses, may hold anything; after it come state, ppid, … utime is the 12th of these, stime the 13th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      rssMb: (Number(kib) * KIB) / 1e6,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    };
  } catch (error) {
    // Postgres' helpers come and go.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return { rssMb: 0, cpuSeconds: 0 };
    throw error;
  }
}

/** A process and all that descend from it: nginx and its worker, Postgres and its backends. */
export async function withChildren(pid: number): Promise<number[]> {
  const all = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map(
    await Promise.all(all.map(async (child) => [child, await parentOf(child)] as const)),
  );
  const found = [pid];
  // Grows while it is read: the children of children are found as well.
  for (const parent of found) {
    for (const [child, itsParent] of parents) if (itsParent === parent) found.push(child);
  }
  return found;
}

async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
