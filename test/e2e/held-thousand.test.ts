import { mkdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApprovalPage, type ApprovalView } from "@drawbridge/contracts";
import { eventually, type JsonRpcObject, toolCall, withMeta } from "@drawbridge/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askBefore } from "./approvers.js";
import { type Door, postRaw, RawSession } from "./raw-session.js";
import { scriptable, System } from "./system.js";

/** As many as one principal may have open, by as many principals as make a thousand. */
const PRINCIPALS = 10;
const CALLS_EACH = 100;
const ALL = PRINCIPALS * CALLS_EACH;
const WATCHED_MS = 10_000;
const PATIENCE_MS = 240_000;
const FIRST_ID = 1_000;
const MIB = 1_024 * 1_024;
const AT_ONCE = 20;
const LIST = "approvals?state=pending&limit=200";

let system: System;
let token: string;

beforeAll(async () => {
  system = await System.start({ allow: { commands: scriptable([]) } });
  await system.applyScriptable("script");
  await askBefore(system, "script", { tools: ["count"], freely: ["pid"] });
  await mkdir(path.join(system.directory, "counts"));
  token = await system.identity.issueToken({ username: "bob", resource: "api" });
}, 60_000);
afterAll(() => system?.stop());

interface Caller {
  readonly door: Door;
  readonly session: RawSession;
}

async function openAs(number: number): Promise<Caller> {
  const sub = `alice-${number}`;
  const claims = { sub, email: `${sub}@example.com` };
  const mcp = await system.identity.issueToken({ username: "alice", resource: "mcp", claims });
  const door = { url: `${system.publicUrl}/mcp/script`, token: mcp };
  return { door, session: await RawSession.open(door, "claude-code") };
}

/** Waits by one event stream, as that client does. Resolves with the response, undefined where none came. */
async function heldCall({ door, session }: Caller, number: number): Promise<JsonRpcObject | undefined> {
  const call = withMeta(toolCall(FIRST_ID + number, "count", { file: fileOf(number) }), {
    progressToken: number,
  });
  const headers = { "mcp-session-id": session.id };
  try {
    const { messages } = await postRaw(door, call, { headers, patienceMs: PATIENCE_MS });
    return messages.find(({ id }) => id === FIRST_ID + number);
  } catch {
    return undefined;
  }
}

/** In which the target counts the runs of one call. */
function fileOf(number: number): string {
  return path.join(system.directory, "counts", String(number));
}

function countOf(result: unknown): number | undefined {
  return (result as { structuredContent?: { count?: number } } | undefined)?.structuredContent?.count;
}

/** What the control plane holds of the machine's memory. */
async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${system.controlPlane.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

async function waiting(): Promise<number> {
  const [row] = await system.query<{ count: number }>(
    "select count(*)::int from approval where state = 'pending'",
  );
  return row?.count ?? 0;
}

async function asBob(method: string, route: string): Promise<unknown> {
  const response = await fetch(`${system.publicUrl}/api/v1/${route}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(method === "POST" ? { body: "{}" } : {}),
  });
  const text = await response.text();
  if (response.status >= 300) throw new Error(`${method} ${route} answered ${response.status} ${text}`);
  return JSON.parse(text);
}

/** All that wait, page by page. */
async function allPending(): Promise<ApprovalView[]> {
  const found: ApprovalView[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page: ReturnType<typeof ApprovalPage.parse> = ApprovalPage.parse(
      await asBob("GET", `${LIST}${after}`),
    );
    found.push(...page.items);
    after = page.nextCursor && `&cursor=${page.nextCursor}`;
  }
  return found;
}

async function approveAll(ids: readonly string[]): Promise<void> {
  const left = [...ids];
  const approveNext = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop())
      await asBob("POST", `approvals/${id}/approve`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, approveNext));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function timed<Result>(work: () => Promise<Result>): Promise<readonly [Result, number]> {
  const began = performance.now();
  const result = await work();
  return [result, Math.round(performance.now() - began)];
}

test("a thousand calls held at once cost no memory while they wait, are listed at once, and each runs once when it is approved", async () => {
  const callers = await Promise.all(Array.from({ length: PRINCIPALS }, (_, number) => openAs(number)));
  for (const { session } of callers) await session.pid();

  const calls: Promise<JsonRpcObject | undefined>[] = [];
  const [, heldMs] = await timed(async () => {
    for (let number = 0; number < ALL; number++)
      calls.push(heldCall(callers[number % PRINCIPALS] as Caller, number));
    await eventually(async () => expect(await waiting()).toBe(ALL), { timeoutMs: 120_000, intervalMs: 300 });
  });
  // What came with the rush goes.
  await sleep(1_000);

  const lists: number[] = [];
  for (let number = 0; number < 20; number++) lists.push((await timed(() => asBob("GET", LIST)))[1]);

  const memory: number[] = [];
  for (const until = Date.now() + WATCHED_MS; Date.now() < until; await sleep(500))
    memory.push(await residentBytes());
  const growth =
    Math.max(...memory.slice(memory.length / 2)) - Math.max(...memory.slice(0, memory.length / 2));

  const pending = await allPending();
  expect(new Set(pending.map(({ id }) => id)).size).toBe(ALL);
  const [answers, approvedMs] = await timed(async () => {
    await approveAll(pending.map(({ id }) => id));
    return Promise.all(calls);
  });
  console.info("a thousand held calls:", {
    heldMs,
    listMs: median(lists),
    growthMiB: Math.round(growth / MIB),
    approvedMs,
  });

  expect(answers.filter((answer) => countOf(answer?.result) !== 1)).toEqual([]);
  const runs = await Promise.all(answers.map(async (_, number) => (await stat(fileOf(number))).size));
  expect(runs.filter((count) => count !== 1)).toEqual([]);
  expect(await system.query("select state, count(*)::int from approval group by state")).toEqual([
    { state: "consumed", count: ALL },
  ]);
  expect(growth).toBeLessThan(24 * MIB);
  expect(median(lists)).toBeLessThan(500);
}, 300_000);
