import { realpathSync } from "node:fs";
import path from "node:path";
import { type GuardedChild, spawnGuarded } from "@drawbridge/embedded";

/** The root of the clone, from bench/{src,dist}. */
export const root = path.resolve(import.meta.dirname, "../..");
export const node = realpathSync(process.execPath);
export const controlPlaneProgram = path.join(root, "apps/control-plane/dist/main.js");
export const agentProgram = path.join(root, "apps/agent/dist/main.js");

/** A program of this folder. They import nothing of it, so they run from the sources as well as compiled. */
export function program(name: string): string {
  return path.join(import.meta.dirname, `${name}.main${path.extname(import.meta.filename)}`);
}

export interface RunningProgram extends GuardedChild {
  /** The last lines it wrote, for when something goes wrong. */
  readonly lastLines: readonly string[];
}

export interface ProgramDefinition {
  name: string;
  command?: string;
  args: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
  onLine?: (line: string) => void;
}

const KEPT_LINES = 15;

/** Starts a program that cannot outlive this process, with nothing of our own environment. */
export async function startProgram(definition: ProgramDefinition): Promise<RunningProgram> {
  const lastLines: string[] = [];
  const child = await spawnGuarded({
    command: definition.command ?? node,
    args: definition.args,
    env: { PATH: `${path.dirname(node)}:/usr/local/bin:/usr/bin:/bin`, ...definition.env },
    cwd: definition.cwd ?? root,
    stopSignal: "TERM",
    onLine: (line) => {
      lastLines.push(line);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
      definition.onLine?.(line);
    },
  });
  return { ...child, lastLines };
}

const FIRST_LINE_WITHIN_MS = 20_000;

/** Starts a program and waits for the first line it prints, which says where it listens. */
export async function startAnnounced(
  definition: ProgramDefinition,
): Promise<{ child: RunningProgram; line: string }> {
  const first = Promise.withResolvers<string>();
  const child = await startProgram({ ...definition, onLine: first.resolve });
  const timer = setTimeout(
    () => first.reject(new Error(`${definition.name} did not say where it listens`)),
    FIRST_LINE_WITHIN_MS,
  );
  void child.exited.then(({ code }) => first.reject(new Error(`${definition.name} ended with code ${code}`)));
  try {
    return { child, line: await first.promise };
  } catch (error) {
    await child.stop(STOP_WITHIN_MS);
    throw new Error([(error as Error).message, ...child.lastLines].join("\n"), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

export const STOP_WITHIN_MS = 15_000;

/** Asks until the answer is not undefined; an error counts as no answer until the time is over. */
export async function eventually<T>(
  what: string,
  withinMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what} took longer than ${withinMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
