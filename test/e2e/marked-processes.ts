import { readdir, readFile } from "node:fs/promises";

export interface MarkedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/**
 * Every running process that was started with `HOME=home`, however it lost its parent since: children inherit it, and
 * each system under test has a home of its own. Read from /proc, so on Linux only.
 */
export async function processesWithHome(home: string): Promise<MarkedProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => inspect(pid, home)));
  return found.filter((process) => process !== undefined);
}

async function inspect(pid: number, home: string): Promise<MarkedProcess | undefined> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8");
    if (!environment.split("\0").includes(`HOME=${home}`)) return undefined;
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The command name (field 2) may contain spaces and brackets: count fields from its last bracket.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (state === "Z" || state === "X") return undefined;
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
    return { pid, parent: Number(parent), command };
  } catch {
    return undefined; // it has ended meanwhile, or is somebody else's
  }
}
