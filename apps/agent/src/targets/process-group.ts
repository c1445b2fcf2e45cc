import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 20;

/** Signals every process of a group that is still there and that we may signal. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Gone (ESRCH), or no longer ours to signal (EPERM): nothing left to do about it.
  }
}

export function groupExists(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    // EPERM: somebody is there, with other rights.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** True when the group is gone within `patienceMs`. */
export async function waitForGroupToEnd(group: number, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  while (groupExists(group)) {
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
