// Results of 100 MB and calls that take their time, through the whole system.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { toolCall, withMeta } from "@drawbridge/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { programs } from "./programs.js";
import { postRaw, RawSession } from "./raw-session.js";
import { System } from "./system.js";

const EXPORT_SERVER = path.join(import.meta.dirname, "fixtures/export-server.mjs");
const MB = 1_000_000;
const LARGE = 100 * MB;

let system: System;

beforeAll(async () => {
  const command = { command: programs.node, arguments: [EXPORT_SERVER] };
  system = await System.start({ allow: { commands: [command] } });
  await system.applyTarget("export", { stdio: command });
  await system.applyTarget("brief", { stdio: command }, { exchangeTimeoutSeconds: 4, idleTimeoutSeconds: 2 });
  await system.allow("export");
  await system.allow("brief");
});
afterAll(() => system?.stop());

interface Received {
  readonly bytes: number;
  readonly tokensSeen: number;
  readonly redactions: number;
  readonly tail: string;
  readonly digest: string;
}

/** Reads without keeping: this process must not be the one that runs out of memory. */
async function receive(session: RawSession, args: object, onChunk?: () => Promise<void>): Promise<Received> {
  const { url, token } = await system.door("export");
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-session-id": session.id,
    },
    body: JSON.stringify(toolCall(7, "export", { ...args })),
  });
  const hash = createHash("sha256");
  const counts = { bytes: 0, tokensSeen: 0, redactions: 0 };
  let tail = "";
  for await (const chunk of response.body ?? []) {
    const text = Buffer.from(chunk as Uint8Array).toString("latin1");
    counts.bytes += text.length;
    const joined = tail.slice(-40) + text;
    counts.tokensSeen += joined.split("ghp_").length - 1;
    counts.redactions += joined.split("the token is [REDACTED:").length - 1;
    hash.update(text, "latin1");
    tail = joined.slice(-200);
    await onChunk?.();
  }
  return { ...counts, tail, digest: hash.digest("hex") };
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_000;
}

/** The most that either process grows by while `work` runs, in MB. */
async function growth(work: () => Promise<unknown>): Promise<{ agent: number; controlPlane: number }> {
  const pids = { agent: system.agent.pid, controlPlane: system.controlPlane.pid };
  const now = async () => ({
    agent: await residentMegabytes(pids.agent),
    controlPlane: await residentMegabytes(pids.controlPlane),
  });
  const before = await now();
  const most = { ...before };
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const { agent, controlPlane } = await now();
      most.agent = Math.max(most.agent, agent);
      most.controlPlane = Math.max(most.controlPlane, controlPlane);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await watching;
  }
  return { agent: most.agent - before.agent, controlPlane: most.controlPlane - before.controlPlane };
}

describe("a result of 100 MB", () => {
  test("arrives whole and masked, in bounded memory on both sides", async () => {
    const session = await system.open("export");
    // Once before: what the first one makes an engine keep is not what a result takes.
    await receive(session, { bytes: 10 * MB });
    let received: Received | undefined;
    const grown = await growth(async () => (received = await receive(session, { bytes: LARGE })));
    expect(received?.bytes).toBeGreaterThan(LARGE * 0.95);
    expect(received?.tokensSeen).toBe(0);
    expect(received?.redactions).toBeGreaterThanOrEqual(LARGE / MB);
    expect(received?.tail).toContain("]}}");
    expect(grown.agent).toBeLessThan(200);
    expect(grown.controlPlane).toBeLessThan(200);
    await session.close();
  }, 240_000);

  test("waits for a client that reads slowly, and others are served meanwhile", async () => {
    const session = await system.open("export");
    const other = await system.open("export");
    const pings: number[] = [];
    const grown = await growth(async () => {
      let chunks = 0;
      await receive(session, { bytes: 20 * MB }, async () => {
        if (chunks++ % 40 !== 0) return;
        const begun = performance.now();
        await other.post({ jsonrpc: "2.0", id: `ping-${chunks}`, method: "ping" });
        pings.push(performance.now() - begun);
        await new Promise((resolve) => setTimeout(resolve, 50));
      });
    });
    expect(pings.length).toBeGreaterThan(3);
    expect(Math.max(...pings)).toBeLessThan(5_000);
    expect(grown.controlPlane).toBeLessThan(200);
    await Promise.all([session.close(), other.close()]);
  }, 120_000);

  test("of which the 80th is never written shows its client nothing", async () => {
    const session = await system.open("export");
    const received = await receive(session, { bytes: LARGE, failAt: 80 * MB });
    expect(received.bytes).toBeLessThan(2_000);
    expect(received.tail).toContain('"error"');
    expect(received.tail).not.toContain("lorem");
  }, 240_000);
});

describe("a call that takes its time", () => {
  const call = async (ms: number, meta?: object) => {
    const session = await system.open("brief");
    try {
      const message = toolCall(3, "export", { ms });
      const { messages } = await session.post(meta ? withMeta(message, { ...meta }) : message);
      return messages.find(({ id }) => id === 3);
    } finally {
      await session.close();
    }
  };

  test("may take longer than the idle limit while it says that it goes on", async () => {
    expect((await call(3_000, { progressToken: "p" }))?.result).toBeDefined();
  });

  test("ends at the idle limit when it is silent", async () => {
    expect((await call(3_500))?.error?.code).toBe(-31_007);
  });

  test("ends at the total limit whatever it says", async () => {
    expect((await call(8_000, { progressToken: "p" }))?.error?.code).toBe(-31_007);
  });

  test("has no other limit: longer than a minute passes, with headers long before", async () => {
    const { url, token } = await system.door("export");
    const session = await RawSession.open({ url, token });
    const begun = performance.now();
    let headersAfterMs = 0;
    const answer = postRaw({ url, token }, toolCall(4, "export", { ms: 62_000 }), {
      headers: { "mcp-session-id": session.id },
      patienceMs: 90_000,
      onHeaders: () => (headersAfterMs = performance.now() - begun),
    });
    expect((await answer).text).toContain('"result"');
    expect(performance.now() - begun).toBeGreaterThan(61_000);
    expect(headersAfterMs).toBeLessThan(20_000);
    await session.close();
  }, 120_000);
});
