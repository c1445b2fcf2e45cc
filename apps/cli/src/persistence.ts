import { setTimeout as sleep } from "node:timers/promises";
import { ERROR_STATUS } from "@drawbridge/contracts";
import { CliError, EXIT } from "./errors.js";

const PAUSES_MS = [250, 1_000, 4_000, 15_000];

/** Reads again when the control plane is away for a moment, such as while it restarts. Only for what changes nothing. */
export async function persistently<Result>(
  signal: AbortSignal,
  read: () => Promise<Result>,
): Promise<Result> {
  for (const pause of PAUSES_MS) {
    try {
      return await read();
    } catch (error) {
      if (!passes(error) || signal.aborted) throw error;
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }
  return read();
}

const STATUS: Readonly<Record<string, number>> = ERROR_STATUS;

/** Whatever is no answer of the control plane, or one about itself. */
function passes(error: unknown): boolean {
  if (!(error instanceof CliError) || error.exitCode !== EXIT.failure) return false;
  return error.code === undefined || (STATUS[error.code] ?? 0) >= 500;
}
