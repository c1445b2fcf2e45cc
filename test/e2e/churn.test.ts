// Sessions come and go by the hundred, in order and not: what is left of them is what was there before.
import { readdir, readlink } from "node:fs/promises";
import {
  eventually,
  type ScriptableHttpServer,
  startScriptableHttpServer,
  toolCall,
} from "@drawbridge/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { postRaw, RawSession } from "./raw-session.js";
import { scriptable, System } from "./system.js";

const SESSIONS = 200;
const AT_ONCE = 8;
const MODERN = "2026-07-28";

let system: System;
let http: ScriptableHttpServer;

beforeAll(async () => {
  http = await startScriptableHttpServer();
  system = await System.start({ allow: { commands: scriptable([]), urls: [http.url] } });
  await system.applyScriptable("stdio");
  await system.applyTarget("http", { http: { url: http.url } });
  await system.allow("http");
});
afterAll(async () => {
  await system?.stop();
  await http?.close();
});

/** Everything a process holds open that is a socket or a pipe. */
async function handlesOf(pid: number): Promise<number> {
  const fds = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.filter((link) => /^(socket|pipe):/.test(link)).length;
}

const handles = async () => ({
  agent: await handlesOf(system.agent.pid),
  controlPlane: await handlesOf(system.controlPlane.pid),
});

/** Connected in the middle of a call, then gone without a word. */
async function drop(target: string): Promise<void> {
  const { url, token } = await system.door(target);
  const session = await RawSession.open({ url, token });
  const leaving = new AbortController();
  const call = fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-session-id": session.id,
    },
    body: JSON.stringify(toolCall(9, "slow", { ms: 500 })),
    signal: leaving.signal,
  });
  setTimeout(() => leaving.abort(), 50);
  await call.then((response) => response.text()).catch(() => undefined);
}

async function closeInOrder(target: string): Promise<void> {
  const session = await system.open(target);
  await session.call("echo", { n: 1 });
  await session.close();
}

/** A client of the modern era asks a target that has never heard of it. */
async function fallBack(target: string): Promise<void> {
  const discover = {
    jsonrpc: "2.0",
    id: 1,
    method: "server/discover",
    params: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  } as const;
  const headers = { "mcp-protocol-version": MODERN, "mcp-method": "server/discover" };
  const { status } = await postRaw(await system.door(target), discover, { headers });
  expect(status).toBe(400);
  await closeInOrder(target);
}

test(`${SESSIONS} sessions leave no child, no socket and no open row`, async () => {
  await closeInOrder("stdio");
  await closeInOrder("http");
  await eventually(async () => (await system.children()).length === 0, { timeoutMs: 10_000 });
  const before = await handles();

  const ways = [closeInOrder, drop, fallBack, closeInOrder];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < SESSIONS; index = next++) {
      await ways[index % ways.length]?.(index % 8 < 6 ? "stdio" : "http");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));

  // Who left without a word is idle from then on; a day passes.
  const ageOpenSessions =
    "update session set last_activity_at = now() - interval '1 day' where closed_at is null";
  await eventually(
    async () => {
      await system.query(ageOpenSessions);
      return (await system.openSessions()) === 0;
    },
    { timeoutMs: 150_000, intervalMs: 3_000 },
  );
  await eventually(async () => (await system.children()).length === 0, { timeoutMs: 20_000 });
  await eventually(() => http.sessionIds().length === 0, { timeoutMs: 10_000 });
  await eventually(
    async () => {
      const { items } = (await system.api().demand("GET", "agents")) as { items: { openSessions: number }[] };
      return items.every(({ openSessions }) => openSessions === 0);
    },
    { timeoutMs: 10_000 },
  );
  // Keep-alive connections of the test's own requests and a pool or two may be counted either time.
  await eventually(
    async () => {
      const after = await handles();
      return after.agent <= before.agent + 4 && after.controlPlane <= before.controlPlane + 12;
    },
    { timeoutMs: 60_000, intervalMs: 2_000 },
  );
  const [open] = await system.query<{ open: number }>(
    "select count(*)::int as open from recording where ended_at is null",
  );
  expect(open?.open).toBe(0);
}, 300_000);
