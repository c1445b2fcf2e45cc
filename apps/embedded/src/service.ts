import { createWriteStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import path from "node:path";
import { type GuardedChild, spawnGuarded } from "@drawbridge/embedded";
import type { Home } from "./home.js";
import { markRunning, unmarkRunning } from "./leftovers.js";

export interface ServiceDefinition {
  /** Also the name of its log. */
  name: string;
  command: string;
  args: readonly string[];
  /** All of it: nothing of our own environment is passed on. */
  env: Record<string, string>;
  /** Tells people what happens to it. */
  say: (text: string) => void;
}

/** A process that is started again when it dies. */
export interface Service {
  stop(): Promise<void>;
  kill(): void;
}

const STOP_WITHIN_MS = 15_000;
const SLOWEST_RESTART_MS = 15_000;
/** After this long a process counts as healthy, and its next death is answered at once. */
const HEALTHY_AFTER_MS = 30_000;

/**
 * Starts a process and waits until `ready` has resolved; from then on it is started again whenever it ends.
 * @throws an error with the end of its log when it ends before it is ready, or never is
 */
export async function startService(
  definition: ServiceDefinition,
  home: Home,
  ready: () => Promise<unknown>,
): Promise<Service> {
  const logFile = path.join(home.logs, `${definition.name}.log`);
  const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  log.on("error", () => {}); // a full disk must not end the demo
  const lastLines: string[] = [];
  const start = async (): Promise<GuardedChild> => {
    const child = await spawnGuarded({
      ...definition,
      cwd: home.directory,
      stopSignal: "TERM",
      onLine: (line) => {
        log.write(`${line}\n`);
        lastLines.push(line);
        if (lastLines.length > 10) lastLines.shift();
      },
    });
    await markRunning(home.running, definition.name, child.pid);
    return child;
  };

  const child = await start();
  const ended = child.exited.then(({ code }) => {
    throw new Error(`${definition.name} ended with code ${code} while it started`);
  });
  try {
    await Promise.race([ready(), ended]);
  } catch (error) {
    await child.stop(STOP_WITHIN_MS);
    await unmarkRunning(home.running, definition.name);
    throw new Error([(error as Error).message, `the end of ${logFile}:`, ...lastLines].join("\n  "), {
      cause: error,
    });
  }
  ended.catch(() => {}); // from here on an end is not an error
  const say = (text: string): void => definition.say(`${definition.name} ${text} (its log: ${logFile})`);
  const service = supervise(child, start, say);
  return {
    kill: () => service.kill(),
    stop: async () => {
      await service.stop();
      await unmarkRunning(home.running, definition.name);
      log.end();
    },
  };
}

function supervise(
  first: GuardedChild,
  start: () => Promise<GuardedChild>,
  say: (text: string) => void,
): Service {
  const stopping = new AbortController();
  let child = first;
  const watch = async (): Promise<void> => {
    for (let delayMs = 200; ;) {
      const startedAt = Date.now();
      const { code } = await child.exited;
      if (stopping.signal.aborted) return;
      if (Date.now() - startedAt > HEALTHY_AFTER_MS) delayMs = 200;
      say(`ended with code ${code}; starting it again`);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      delayMs = Math.min(delayMs * 2, SLOWEST_RESTART_MS);
      child = await start();
      if (stopping.signal.aborted) return child.stop(STOP_WITHIN_MS);
    }
  };
  const watching = watch();
  return {
    stop: async () => {
      stopping.abort();
      await child.stop(STOP_WITHIN_MS);
      await watching;
    },
    kill: () => child.signal("KILL"),
  };
}

/** Asks again and again until it works or the time is up. */
export async function eventually<T>(
  what: string,
  withinMs: number,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let reason = "";
  while (Date.now() < deadline) {
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      reason = error instanceof Error ? `: ${error.message}` : "";
    }
    await sleep(100);
  }
  throw new Error(`${what} did not happen within ${withinMs / 1000} s${reason}`);
}
