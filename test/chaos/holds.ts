import { setTimeout as sleep } from "node:timers/promises";
import { approvals, approve, askBefore } from "../e2e/approvers.js";
import { callUntilDecided, type HeldCall, HOLDING_CLIENTS } from "../e2e/holding-clients.js";
import { scriptable, System } from "../e2e/system.js";

const MINUTE_MS = 60_000;

/** How one client's call ended that was held for some minutes. */
export interface HoldTrial {
  readonly client: string;
  readonly outcome: "answered" | "failed";
  /** How often its program had to call. */
  readonly calls: number;
  readonly seconds: number;
  readonly progress: number;
  /** What it was told, where it failed. */
  readonly says?: string;
}

/** Holds a call of each client for `minutes`, then approves it. All at once; real clients with their own time limits. */
export async function measureHolds(minutes: number): Promise<HoldTrial[]> {
  const system = await System.start({ allow: { commands: scriptable(["dual"]) } });
  try {
    await system.applyScriptable("script", ["dual"]);
    await askBefore(system, "script", { tools: ["echo"], expiresIn: `${Math.ceil(minutes) + 10}m` });
    const url = `${system.publicUrl}/mcp/script`;
    const token = async () => (await system.door("script")).token;
    const heldMs = minutes * MINUTE_MS;
    const trials = HOLDING_CLIENTS.map(async (client, number): Promise<HoldTrial> => {
      const call = { tool: "echo", args: { number }, patienceMs: heldMs + 2 * MINUTE_MS };
      const began = Date.now();
      try {
        return answered(client.says, await callUntilDecided(client, { url, token }, call));
      } catch (error) {
        const seconds = (Date.now() - began) / 1_000;
        return {
          client: client.says,
          outcome: "failed",
          calls: 0,
          seconds,
          progress: 0,
          says: String(error),
        };
      }
    });
    await sleep(heldMs);
    for (const { id } of await approvals(system, "script")) await approve(system, id);
    return await Promise.all(trials);
  } finally {
    await system.stop();
  }
}

function answered(client: string, { isError, text, calls, seconds, progress }: HeldCall): HoldTrial {
  const about = { client, calls, seconds, progress };
  return isError ? { ...about, outcome: "failed", says: text } : { ...about, outcome: "answered" };
}

export function holdsTable(trials: readonly HoldTrial[]): string {
  const rows = trials.map(
    ({ client, outcome, calls, seconds, progress }) =>
      `| ${client} | ${outcome} | ${calls} | ${seconds.toFixed(0)} s | ${progress} |`,
  );
  return [
    "| client | outcome | calls | after | progress heard |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}
