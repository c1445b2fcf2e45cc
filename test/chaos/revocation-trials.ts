import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@drawbridge/testing";
import { stringify } from "yaml";
import { type Door, RawSession } from "../e2e/raw-session.js";
import type { System } from "../e2e/system.js";

export const TARGET = "script";
const PERSON = "alice";
const ACCESS_REVOKED = -31003;
/** What a call is answered with whose caller has no access: revoked, denied, how to ask for it, or no such session. */
const REFUSALS = new Set([ACCESS_REVOKED, -31001, -31016, -32001]);
// Longer than any trial takes: a call that is over by itself was not cut.
const CALL_LASTS_MS = 60_000;
const PATIENCE_MS = 20_000;

/** What takes access away, in turn. */
export const ACTS = ["a grant is revoked", "the principal is locked"] as const;
export type Act = (typeof ACTS)[number];

/** Milliseconds from when the act was asked for, its own time included. */
export interface RevocationTrial {
  readonly act: Act;
  /** Until the first call began of those that were all refused. */
  readonly refusedAfterMs: number;
  /** Until the call that was under way was answered. */
  readonly cutAfterMs: number;
  /** What it was answered with. */
  readonly cutWith: number;
}

interface Probe {
  readonly startedAt: number;
  readonly refused: boolean;
}

/** Alice's group may ask for the target, and is given it at once. */
export async function openTarget(system: System): Promise<void> {
  await system.applyScriptable(TARGET);
  const review = { from: [{ group: "dba", count: 1 }], expiresIn: "15m" };
  const access = {
    mode: "jit",
    activation: "approval",
    maxDuration: "4h",
    review,
    automatic: { when: "true" },
  };
  const source = stringify({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: TARGET },
    spec: {
      targets: { names: [TARGET] },
      subjects: { groups: ["engineering"] },
      access,
      rules: [{ name: "tools", tools: ["*"], effect: "allow" }],
    },
  });
  await system.api().demand("PUT", `policies/${TARGET}`, { source });
}

/** `url`: of the control plane that is called; acts are asked of the system's own. */
export async function revocationTrial(system: System, url: string, act: Act): Promise<RevocationTrial> {
  const grantId = await give(system);
  const { token } = await system.door(TARGET, PERSON);
  const door: Door = { url: `${url}/mcp/${TARGET}`, token };
  const session = await sessionWithAccess(door);
  const underWay = answerTime(session);
  await eventually(() => {
    if (!session.heard.some((text) => text.includes("notifications/progress")))
      throw new Error("the call does not run yet");
  });
  const probing = new AbortController();
  const probes = probe(session, probing.signal);
  // What goes wrong is heard of where it is waited for.
  for (const going of [underWay, probes]) going.catch(() => undefined);
  // Some calls that pass, before.
  await sleep(50);
  const askedAt = performance.now();
  const undo = await perform(system, act, grantId);
  try {
    const cut = await within(underWay, `the call under way was not cut when ${act}`);
    await sleep(200);
    probing.abort();
    return {
      act,
      refusedAfterMs: refusedAfter(await probes, askedAt),
      cutAfterMs: cut.at - askedAt,
      cutWith: cut.code,
    };
  } finally {
    probing.abort();
    await undo();
  }
}

async function give(system: System): Promise<string> {
  const request = await system
    .api(PERSON)
    .demand("POST", "access-requests", { target: TARGET, duration: "1h", reason: "a trial" });
  const { grantId } = request;
  if (typeof grantId !== "string")
    throw new Error(`the request was not approved by itself: ${JSON.stringify(request)}`);
  return grantId;
}

/** What ended the trial before may still be noticed. */
async function sessionWithAccess(door: Door): Promise<RawSession> {
  return eventually(
    async () => {
      const session = await RawSession.open(door, "chaos");
      await session.demand("echo", {});
      return session;
    },
    { timeoutMs: PATIENCE_MS, intervalMs: 50 },
  );
}

/** A call that takes longer than the trial, with when and how it ended. */
async function answerTime(session: RawSession): Promise<{ readonly at: number; readonly code: number }> {
  const { error, result } = await session.call("slow", { ms: CALL_LASTS_MS }, { progressToken: 1 });
  if (!error) throw new Error(`the call under way was answered: ${JSON.stringify(result)}`);
  return { at: performance.now(), code: error.code };
}

/** One call after the other, until it is told to stop. */
async function probe(session: RawSession, signal: AbortSignal): Promise<readonly Probe[]> {
  const probes: Probe[] = [];
  while (!signal.aborted) {
    const startedAt = performance.now();
    probes.push({ startedAt, refused: await isRefused(session) });
    await sleep(5);
  }
  return probes;
}

/** @throws when it failed in a way that is no refusal */
async function isRefused(session: RawSession): Promise<boolean> {
  try {
    const { error } = await session.call("echo", {});
    if (!error) return false;
    if (!REFUSALS.has(error.code)) throw new Error(`a call failed: ${JSON.stringify(error)}`);
    return true;
  } catch (error) {
    // The session is gone, or its principal is told at the door.
    if (error instanceof Error && /^no response to echo: 40[34] /.test(error.message)) return true;
    throw error;
  }
}

function refusedAfter(probes: readonly Probe[], askedAt: number): number {
  const lastPassed = probes.findLastIndex(({ refused }) => !refused);
  const firstRefused = probes[lastPassed + 1];
  if (!firstRefused) throw new Error("no call was refused");
  return Math.max(0, firstRefused.startedAt - askedAt);
}

/** Takes access away. Resolves with what makes everything as it was before. */
async function perform(system: System, act: Act, grantId: string): Promise<() => Promise<void>> {
  const revoke = () => system.api().demand("POST", `grants/${grantId}/revoke`, { reason: "a trial" });
  if (act === "a grant is revoked") {
    await revoke();
    return async () => undefined;
  }
  const lock = { kind: "principal", subject: PERSON, reason: "a trial" };
  const { id } = await system.api().demand("POST", "locks", lock);
  return async () => {
    await revoke();
    await system.api().demand("POST", `locks/${String(id)}/release`);
  };
}

async function within<T>(awaited: Promise<T>, complaint: string): Promise<T> {
  const late = sleep(PATIENCE_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(complaint)));
  return Promise.race([awaited, late]);
}
