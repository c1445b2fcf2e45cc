import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, type JsonRpcObject } from "@drawbridge/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askBefore } from "./approvers.js";
import type { Program } from "./program.js";
import type { RawSession } from "./raw-session.js";
import { startStatementProxy, type StatementProxy } from "./statement-proxy.js";
import { scriptable, System } from "./system.js";

// The control plane is killed before each statement that a held call makes it write, one after the other: whatever had
// been written by then is all that is left of it.

const TABLES =
  /\b(?:approval|review_vote|access_grant|recording|recording_event|live_event|audit_event|session|tool_pin)\b/i;
/** More statements than the life of a held call has. */
const MOST_STATEMENTS = 80;
const ABANDONED_AFTER_MS = 61_000;

let system: System;
let proxy: StatementProxy;
let plane: Program;

beforeAll(async () => {
  system = await System.start({ allow: { commands: scriptable([]) } });
  await system.applyScriptable("script");
  await askBefore(system, "script", { tools: ["count"], freely: ["echo"] });
  await system.controlPlane.stop();
  proxy = await startStatementProxy(system.postgres.appUrl, TABLES);
  plane = system.anotherControlPlane({ DATABASE_URL: proxy.url });
  await startPlane();
});
afterAll(async () => {
  await plane?.stop();
  await proxy?.stop();
  await system?.stop();
});

async function startPlane(): Promise<void> {
  proxy.onStatement = () => true;
  await plane.start();
  await plane.until(async () => {
    if ((await fetch(`${system.publicUrl}/healthz`)).status !== 200) throw new Error("it is not ready");
  }, 60_000);
  await system.agentIsConnected();
}

interface Trial {
  readonly session: RawSession;
  /** What the target writes into each time it runs. */
  readonly file: string;
  readonly runs: () => number;
}

async function begin(): Promise<Trial> {
  const session = await system.open("script");
  await session.demand("echo", { warm: true });
  const file = path.join(system.directory, `count-${randomUUID()}`);
  return { session, file, runs: () => (existsSync(file) ? readFileSync(file).length : 0) };
}

const call = ({ session, file }: Trial): Promise<JsonRpcObject | undefined> =>
  session.call("count", { file, ms: 0 }).catch(() => undefined);

interface Held {
  readonly id: string;
  readonly state: string;
  readonly sealed: boolean;
}

/** As the table has it, for those of a session, the oldest first. */
async function held(session: RawSession): Promise<Held[]> {
  const recording = await recordingOf(session);
  return system.query<{ id: string; state: string; sealed: boolean }>(
    "select id, state, sealed is not null as sealed from approval where session_id = $1 order by id",
    [recording],
  );
}

const recordings = new Map<string, string>();
async function recordingOf(session: RawSession): Promise<string> {
  const known = recordings.get(session.id);
  if (known !== undefined) return known;
  const [row] = await system.query<{ id: string }>("select id from session order by id desc limit 1");
  recordings.set(session.id, row?.id ?? "");
  return row?.id ?? "";
}

/** Approves the first that the session asks for, and none that it asks for after it; until it is stopped. */
async function approveFirst({ session }: Trial, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    const [first] = await held(session);
    if (first?.state === "pending") {
      await system
        .api("bob")
        .send("POST", `approvals/${first.id}/approve`, {})
        .catch(() => undefined);
    }
    await sleep(100);
  }
}

/** Kills the control plane before its statement number `at`. Resolves when it is gone, or the call is answered. */
async function killBefore(at: number, answered: Promise<unknown>): Promise<string | undefined> {
  let count = 0;
  let killing: Promise<void> | undefined;
  let before: string | undefined;
  proxy.onStatement = (sql) => {
    count += 1;
    if (count < at) return true;
    before ??= sql;
    killing ??= plane.kill();
    return false;
  };
  await Promise.race([answered, eventually(() => killing !== undefined, { timeoutMs: 40_000 })]);
  await killing;
  // What it writes after the call is answered is not part of the call's life.
  proxy.onStatement = () => true;
  return before;
}

/** The caller comes back, with a program that calls again when a connection breaks, or it is told to. */
async function comeBack(trial: Trial): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const again = call(trial);
    // A second approval is never given: it would wait for ever.
    const asksAnew = eventually(async () => (await held(trial.session)).length > 1, {
      timeoutMs: 30_000,
    }).then(
      () => true,
      () => false,
    );
    const answer = await Promise.race([again, asksAnew]);
    if (answer === true || (typeof answer === "object" && isDecided(answer))) return;
  }
}

function isDecided({ result, error }: JsonRpcObject): boolean {
  return error !== undefined || (result as { isError?: boolean } | undefined)?.isError !== true;
}

/** How a trial ended whose control plane was killed. */
interface Killed {
  readonly before: string;
  readonly runs: number;
  /** It had taken the approval: whether it sent the call nobody can say. */
  readonly hadConsumed: boolean;
  readonly state: string | undefined;
  readonly sealed: boolean | undefined;
}

async function returning(trial: Trial, before: string, hadConsumed: boolean): Promise<Killed> {
  await comeBack(trial);
  const [first] = await held(trial.session);
  await trial.session.close();
  return { before, runs: trial.runs(), hadConsumed, state: first?.state, sealed: first?.sealed };
}

test(
  "kill -9 before any statement of a held call: it runs once or not at all, and none that is approved is lost",
  { timeout: 600_000 },
  async () => {
    const killed: Killed[] = [];
    const leftBehind: { trial: Trial; runs: number }[] = [];
    let undisturbed: { runs: number; answer: JsonRpcObject | undefined } | undefined;
    for (let at = 1; at <= MOST_STATEMENTS && !undisturbed; at += 1) {
      const trial = await begin();
      const approving = new AbortController();
      const answered = call(trial);
      const approver = approveFirst(trial, approving.signal);
      const before = await killBefore(at, answered);
      const answer = await answered;
      if (before === undefined) undisturbed = { runs: trial.runs(), answer };
      else {
        await startPlane();
        const hadConsumed = (await held(trial.session))[0]?.state === "consumed";
        // Every third caller never comes back.
        if (at % 3 === 0 && !hadConsumed) leftBehind.push({ trial, runs: trial.runs() });
        else killed.push(await returning(trial, before, hadConsumed));
      }
      approving.abort();
      await approver;
    }
    expect(undisturbed).toMatchObject({ runs: 1, answer: { result: {} } });
    expect(killed.length).toBeGreaterThan(5);
    const wrong = ({ state, sealed, runs }: Killed) => state !== "consumed" || sealed !== false || runs > 1;
    expect(killed.filter(wrong)).toEqual([]);
    // Whatever was approved and not taken yet was sent to whoever came back.
    expect(killed.filter(({ hadConsumed, runs }) => !hadConsumed && runs !== 1)).toEqual([]);

    expect(leftBehind.length).toBeGreaterThan(1);
    await sleep(ABANDONED_AFTER_MS);
    for (const { trial, runs } of leftBehind) {
      expect(trial.runs()).toBe(runs);
      await eventually(async () => {
        const open = (await held(trial.session)).filter(({ sealed }) => sealed);
        if (open.length > 0) throw new Error(`still open: ${JSON.stringify(open)}`);
      });
    }
  },
);
