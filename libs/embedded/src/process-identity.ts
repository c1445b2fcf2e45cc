import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * What tells a process from a later one that got the same pid: its start time. Undefined when no such process
 * runs (a zombie does not run). Read from /proc, or from ps where there is none.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return identityFromPs(pid);
  try {
    // The command name (field 2) may contain spaces and brackets: count fields from its last bracket.
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const startTicks = fields[19];
    return state === "Z" || state === "X" ? undefined : startTicks;
  } catch {
    return undefined;
  }
}

/** The command line of a running process with its arguments separated by spaces; undefined when there is none. */
export async function commandLine(pid: number): Promise<string | undefined> {
  try {
    if (process.platform !== "linux") {
      return (await run("ps", ["-ww", "-p", String(pid), "-o", "args="])).stdout.trim();
    }
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
  } catch {
    return undefined;
  }
}

async function identityFromPs(pid: number): Promise<string | undefined> {
  try {
    return (await run("ps", ["-p", String(pid), "-o", "lstart="])).stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}
