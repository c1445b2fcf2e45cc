import { parseArgs } from "node:util";
import { scriptable, System } from "../e2e/system.js";
import { type Redis, startRedis } from "./redis.js";
import {
  areWithinLimits,
  figuresOf,
  LIMITS_MS,
  type RevocationFigures,
  revocationTable,
} from "./revocation-figures.js";
import { ACTS, openTarget, type RevocationTrial, revocationTrial } from "./revocation-trials.js";
import { startSecondControlPlane } from "./second-control-plane.js";

export interface Output {
  readonly write: (text: string) => void;
  /** For people, beside what programs read. */
  readonly say: (text: string) => void;
}

export interface RevocationOptions {
  readonly trials: number;
  readonly settings?: Record<string, string>;
  /** Acts at one control plane, calls at another. */
  readonly two?: boolean;
  readonly onTrial?: (done: number) => void;
}

/** Takes access away, in turn by revoking a grant and by a lock, while a call is under way and others follow. */
export async function measureRevocation({
  trials,
  settings = {},
  two = false,
  onTrial,
}: RevocationOptions): Promise<readonly RevocationTrial[]> {
  const system = await System.start({ settings, allow: { commands: scriptable([]) } });
  try {
    await openTarget(system);
    const second = two ? await startSecondControlPlane(system, settings) : undefined;
    try {
      const done: RevocationTrial[] = [];
      while (done.length < trials) {
        const act = ACTS[done.length % ACTS.length] ?? ACTS[0];
        done.push(await revocationTrial(system, second?.url ?? system.publicUrl, act));
        onTrial?.(done.length);
      }
      return done;
    } finally {
      await second?.stop();
    }
  } finally {
    await system.stop();
  }
}

/** `pnpm chaos revocation [--trials 200] [--json]`. Resolves with the exit code: 1 where something takes too long. */
export async function runRevocation(args: readonly string[], output: Output): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { trials: { type: "string", default: "200" }, json: { type: "boolean", default: false } },
  });
  const trials = Number(values.trials);
  if (!Number.isInteger(trials) || trials < 1) throw new Error("--trials must be a positive number");
  const onTrial = (done: number) => {
    if (done % 20 === 0) output.say(`${done} of ${trials} trials`);
  };
  output.say("one control plane");
  const one = figuresOf(await measureRevocation({ trials, onTrial }));
  const redis = await redisToUse(output);
  const two = redis && (await withTwo(redis, { trials, onTrial }, output));
  const results = [one, ...(two ? [two] : [])];
  if (values.json)
    output.write(`${JSON.stringify({ limitsMs: LIMITS_MS, one, two: two ?? null }, null, 2)}\n`);
  else output.write(`${inWords(one, two)}\n`);
  return results.every(areWithinLimits) ? 0 : 1;
}

async function redisToUse({ say }: Output): Promise<Redis | undefined> {
  const url = process.env["REDIS_URL"];
  if (url !== undefined) return { url, stop: async () => undefined };
  const redis = await startRedis(say);
  if (!redis) say("SKIPPED: two control planes need Redis: set REDIS_URL or install redis-server");
  return redis;
}

async function withTwo(
  redis: Redis,
  options: Pick<RevocationOptions, "trials" | "onTrial">,
  { say }: Output,
): Promise<readonly RevocationFigures[]> {
  say("two control planes: acts at one, calls at the other");
  try {
    return figuresOf(await measureRevocation({ ...options, two: true, settings: { REDIS_URL: redis.url } }));
  } finally {
    await redis.stop();
  }
}

function inWords(one: readonly RevocationFigures[], two: readonly RevocationFigures[] | undefined): string {
  const tables = [revocationTable("one control plane", one)];
  if (two) tables.push(revocationTable("two control planes", two));
  else tables.push("two control planes: SKIPPED, there is no Redis");
  const limits = `limits (p99): new calls refused within ${LIMITS_MS.refused} ms, calls in flight cut within ${LIMITS_MS.cut} ms`;
  return [...tables, limits].join("\n\n");
}
