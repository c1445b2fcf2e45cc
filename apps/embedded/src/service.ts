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
  readonly logFile: string;
  /** Rejects when the process ends before `ready` says it is. */
  whileStarting<T>(ready: Promise<T>): Promise<T>;
  stop(): Promise<void>;
  kill(): void;
}

const STOP_WITHIN_MS = 15_000;
const SLOWEST_RESTART_MS = 15_000;
/** After this long a process counts as healthy, and its next death is answered at once. */
const HEALTHY_AFTER_MS = 30_000;

export async function startService(definition: ServiceDefinition, home: Home): Promise<Service> {
  const { name, say } = definition;
  const logFile = path.join(home.logs, `${name}.log`);
  const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  log.on("error", () => {}); // a full disk must not end the demo
  const stopping = new AbortController();
  const start = async (): Promise<GuardedChild> => {
    const child = await spawnGuarded({
      ...definition,
      cwd: home.directory,
      stopSignal: "TERM",
      onLine: (line) => log.write(`${line}\n`),
    });
    await markRunning(home.running, name, child.pid);
    return child;
  };

  let child = await start();
  const first = child;
  const supervise = async (): Promise<void> => {
    for (let delayMs = 200; ;) {
      const startedAt = Date.now();
      const { code } = await child.exited;
      if (stopping.signal.aborted) return;
      if (Date.now() - startedAt > HEALTHY_AFTER_MS) delayMs = 200;
      say(`${name} ended with code ${code}; starting it again (its log: ${logFile})`);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      delayMs = Math.min(delayMs * 2, SLOWEST_RESTART_MS);
      child = await start();
      if (stopping.signal.aborted) return child.stop(STOP_WITHIN_MS);
    }
  };
  const supervising = supervise();

  return {
    logFile,
    whileStarting: (ready) =>
      Promise.race([
        ready,
        first.exited.then(({ code }) => {
          throw new Error(`${name} ended with code ${code} while it started; its log is ${logFile}`);
        }),
      ]),
    stop: async () => {
      stopping.abort();
      await child.stop(STOP_WITHIN_MS);
      await supervising;
      await unmarkRunning(home.running, name);
      log.end();
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
