import { randomUUID } from "node:crypto";
import path from "node:path";
import { eventually, freePort, initialize, SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { discloses } from "./disclosure.js";
import type { Program } from "./program.js";
import { programs } from "./programs.js";
import { postRaw, type RawAnswer, RawSession } from "./raw-session.js";
import { scriptable, System } from "./system.js";

vi.setConfig({ testTimeout: 90_000 });

const NESTING_SERVER = path.join(import.meta.dirname, "fixtures/nesting-server.mjs");
const SWITCHES = [[], ["exit-at-once=3"], ["never-initialize"], ["rubbish-first"]];
const MAX_MESSAGE_BYTES = 65_536;
const MAX_RESULT_BYTES = 5_000_000;

let system: System;
/** Waits for a database that never comes, beside all other tests. */
let patient: Program;
const startedAt = Date.now();

beforeAll(async () => {
  const nesting = { command: programs.node, arguments: [NESTING_SERVER] };
  system = await System.start({
    settings: { DRAWBRIDGE_MAX_MESSAGE_BYTES: String(MAX_MESSAGE_BYTES) },
    allow: { commands: [...scriptable(...SWITCHES), nesting] },
    limits: { maxResultBytes: MAX_RESULT_BYTES },
  });
  const nowhere = `postgresql://drawbridge_app:planted-password@127.0.0.1:${await freePort()}/drawbridge`;
  patient = system.anotherControlPlane({
    DATABASE_URL: nowhere,
    DRAWBRIDGE_MIGRATION_DATABASE_URL: nowhere,
    DRAWBRIDGE_LISTEN: `127.0.0.1:${await freePort()}`,
  });
  await patient.start();
  await system.applyScriptable("script");
});
afterAll(async () => {
  await patient?.stop();
  await system?.stop();
});

/** Whatever went wrong, nothing of it stays. */
afterEach(async () => {
  await eventually(async () => (await system.children()).length === 0, { timeoutMs: 10_000 });
  await eventually(async () => (await system.openSessions()) === 0, { timeoutMs: 10_000 });
  await eventually(async () => {
    const { items } = (await system.api().demand("GET", "agents")) as { items: { openSessions: number }[] };
    return items.every(({ openSessions }) => openSessions === 0);
  });
});

async function initializeAt(target: string): Promise<RawAnswer> {
  return postRaw(await system.door(target), initialize(1));
}

function errorOf({ messages }: RawAnswer) {
  return messages.find(({ error }) => error !== undefined)?.error;
}

async function withSession(target: string, work: (session: RawSession) => Promise<void>): Promise<void> {
  const session = await system.open(target);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

describe("a target that does not work", () => {
  test.each([
    {
      name: "a child that exits at once",
      transport: { command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, "exit-at-once=3"] },
      code: -31_005,
      says: /cannot be reached or started, so nothing ran.*exited with code 3/,
    },
    {
      name: "a child that never answers initialize",
      transport: { command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, "never-initialize"] },
      code: -31_007,
      says: /took too long/,
    },
    {
      name: "a command outside the agent's allow-list",
      transport: { command: "/bin/sh", arguments: ["-c", "touch /planted"] },
      code: -31_005,
      says: /agent's own configuration does not allow this target, so nothing ran/,
    },
    {
      name: "arguments outside the agent's allow-list",
      transport: { command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, "another-switch"] },
      code: -31_005,
      says: /agent's own configuration does not allow this target, so nothing ran/,
    },
    {
      name: "a variable outside the agent's allow-list",
      transport: {
        command: programs.node,
        arguments: [SCRIPTABLE_SERVER_PATH],
        environment: { NODE_OPTIONS: "--require=planted" },
      },
      code: -31_005,
      says: /agent's own configuration does not allow this target, so nothing ran/,
    },
  ])("$name", async ({ transport, code, says }) => {
    await system.applyTarget("broken", { stdio: transport }, { exchangeTimeoutSeconds: 2 });
    await system.allow("broken");
    const answer = await initializeAt("broken");
    expect(answer.sessionId).toBeUndefined();
    expect(errorOf(answer)?.code).toBe(code);
    expect(errorOf(answer)?.message).toMatch(says);
    const id = await system.newestRecording("broken");
    await eventually(async () => (await system.api().verify(id)).final);
    expect(await system.api().verify(id)).toMatchObject({ ok: true });
  });

  test("a greeting on stdout before MCP is left out", async () => {
    await system.applyScriptable("greeting", ["rubbish-first"]);
    await withSession("greeting", async (session) => {
      expect(await session.demand("echo", { a: 1 })).toEqual({ a: 1 });
    });
  });
});

describe("an answer that may not be passed on", () => {
  test.each([
    { name: "a key twice", tool: "duplicateKey", args: {}, code: -31_010, says: /not MCP/ },
    {
      name: "half a message",
      tool: "rubbish",
      args: { text: '{"jsonrpc":' },
      code: -31_010,
      says: /not MCP/,
    },
    {
      name: "more than may be carried",
      tool: "big",
      args: { bytes: MAX_RESULT_BYTES + 1 },
      code: -31_009,
      says: /larger than may be carried/,
    },
  ])("$name", async ({ tool, args, code, says }) => {
    await withSession("script", async (session) => {
      const { error } = await session.call(tool, args);
      expect(error?.code).toBe(code);
      expect(error?.message).toMatch(says);
      expect(await session.demand("echo", { still: "works" })).toEqual({ still: "works" });
    });
  });

  test("what cannot be masked is in neither the answer nor the recording", async () => {
    await system.applyTarget("nesting", { stdio: { command: programs.node, arguments: [NESTING_SERVER] } });
    await system.allow("nesting");
    await withSession("nesting", async (session) => {
      const { error } = await session.call("nested");
      expect(error?.code).toBe(-31_008);
      expect(error?.message).toMatch(/could not be masked and is withheld/);
      expect(discloses(session.heard.join("\n"), "planted-treasure")).toBe(false);
    });
    const id = await system.newestRecording("nesting");
    expect(discloses(await system.api().exportText(id), "planted-treasure")).toBe(false);
  });
});

describe("an agent", () => {
  const join = async (token: string, name: string) =>
    system.runAgent(...system.joinArguments(token, path.join(system.directory, name)));

  test("cannot join with a token that was used, has expired or was revoked", async () => {
    const refused = {
      code: 1,
      output: expect.stringMatching(/unknown, already used or expired: make another/) as string,
    };
    const used = await system.invite();
    expect(await join(used.token, "first")).toMatchObject({ code: 0 });
    expect(await join(used.token, "second")).toMatchObject(refused);
    const expired = await system.invite();
    await system.query("update join_token set expires_at = now() - interval '1 second' where id = $1", [
      expired.id,
    ]);
    expect(await join(expired.token, "second")).toMatchObject(refused);
    const revoked = await system.invite();
    await system.api().demand("DELETE", `join-tokens/${revoked.id}`);
    expect(await join(revoked.token, "second")).toMatchObject(refused);
    const { items } = (await system.api().demand("GET", "join-tokens")) as { items: { state: string }[] };
    expect(items.map(({ state }) => state)).toEqual(["revoked", "expired", "used", "used"]);
  });

  test("does not show its token to a control plane with another CA", async () => {
    const { token, id } = await system.invite();
    const fingerprint = token.split(".").at(-1) ?? "";
    const other = fingerprint.replaceAll(/./g, (character) => (character === "0" ? "1" : "0"));
    const { code, output } = await join(token.replace(fingerprint, other), "third");
    expect(code).toBe(1);
    expect(output).toMatch(/fingerprint/);
    expect(discloses(output, token.split(".")[1] ?? token)).toBe(false);
    const { items } = (await system.api().demand("GET", "join-tokens")) as {
      items: { id: string; state: string }[];
    };
    expect(items.find((item) => item.id === id)?.state).toBe("unused");
    expect(await join(token, "third")).toMatchObject({ code: 0 });
  });

  test("that is offline is said to be, and nothing ran", async () => {
    await system.agent.stop();
    const answer = await initializeAt("script");
    expect(answer).toMatchObject({ status: 503, sessionId: undefined });
    expect(errorOf(answer)?.message).toMatch(/no agent of the group lab is connected.*nothing ran/);
    const { items } = (await system.api("alice").demand("GET", "visible-targets")) as {
      items: { name: string; online: boolean }[];
    };
    expect(items.find(({ name }) => name === "script")?.online).toBe(false);
    await system.startAgent();
  });
});

describe("many sessions", () => {
  test("opened and dropped in every way leave nothing behind", async () => {
    const WAYS = [
      closed,
      endedByAnOperator,
      killed,
      leftDuringInitialize,
      leftDuringACall,
      leftWhileListening,
    ];
    const rounds = Array.from({ length: 200 }, (_, index) => WAYS[index % WAYS.length] ?? closed);
    const workers = Array.from({ length: 8 }, async () => {
      for (let drop = rounds.pop(); drop !== undefined; drop = rounds.pop()) await drop();
    });
    await Promise.all(workers);
    const [row] = await system.query<{ sessions: number }>("select count(*)::int as sessions from session");
    expect(row?.sessions).toBeGreaterThanOrEqual(200);
  });

  async function closed(): Promise<void> {
    await (await system.open("script")).close();
  }

  async function endedByAnOperator(): Promise<void> {
    const name = `dropped-${randomUUID()}`;
    const session = await RawSession.open(await system.door("script"), name);
    await session.pid();
    const [row] = await system.query<{ id: string }>("select id from session where client_name = $1", [name]);
    await system.api().demand("DELETE", `sessions/${row?.id}`);
  }

  async function killed(): Promise<void> {
    const session = await system.open("script");
    process.kill(await session.pid(), "SIGKILL");
  }

  /** Nobody ever learns the id of this session. */
  async function leftDuringInitialize(): Promise<void> {
    const { url, token } = await system.door("script");
    await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify(initialize(1)),
      signal: AbortSignal.timeout(30),
    }).then(
      (response) => response.body?.cancel(),
      () => undefined,
    );
  }

  async function leftWhileListening(): Promise<void> {
    const session = await system.open("script");
    const stopListening = await session.listen();
    await session.demand("notify");
    stopListening();
    await session.close();
  }

  async function leftDuringACall(): Promise<void> {
    const session = await system.open("script");
    const slow = session.call("slow", { ms: 60_000 }).catch(() => undefined);
    await session.close();
    await slow;
  }
});

describe("a control plane", () => {
  test("refuses a setting that nobody knows, and a wrong one, with what to do", async () => {
    const program = system.anotherControlPlane({
      DRAWBRIDGE_PUBLIC_ULR: "http://misspelt",
      DATABASE_URL: "mysql://user:planted-password@nowhere/x",
    });
    const { code, output } = await program.run();
    expect(code).toBe(2);
    expect(output).toContain("DRAWBRIDGE_PUBLIC_ULR: no such setting; remove it or correct its name");
    expect(output).toContain("DATABASE_URL: use postgresql://user:password@host:port/database");
    expect(output).not.toContain("planted-password");
  });

  test.each(["DRAWBRIDGE_LISTEN", "DRAWBRIDGE_AGENT_LISTEN"])("says that %s is taken", async (taken) => {
    const settings = {
      DRAWBRIDGE_LISTEN: `127.0.0.1:${await freePort()}`,
      DRAWBRIDGE_AGENT_LISTEN: `127.0.0.1:${await freePort()}`,
    };
    const address = taken === "DRAWBRIDGE_LISTEN" ? new URL(system.publicUrl).host : system.agentAddress;
    const { code, output } = await system.anotherControlPlane({ ...settings, [taken]: address }).run();
    expect(code).toBe(1);
    expect(output).toContain(`${address} is taken by another program; stop it or set ${taken}`);
    await system.agentIsConnected();
  });

  test("does not start with a password that the database refuses", async () => {
    const url = system.postgres.ownerUrl.replace(/:[^:@]*@/, ":planted-password@");
    const { code, output } = await system
      .anotherControlPlane({ DRAWBRIDGE_MIGRATION_DATABASE_URL: url, DATABASE_URL: url })
      .run();
    expect(code).toBe(1);
    expect(output).toMatch(/the database at 127\.0\.0\.1:\d+ cannot be used: password authentication failed/);
    expect(output).not.toContain("planted-password");
  });

  test("waits for a database that is down when it starts", async () => {
    await system.controlPlane.stop();
    await system.stopPostgres();
    const before = system.controlPlane.lines.length;
    await system.controlPlane.start();
    const waits = () => system.controlPlane.lines.slice(before).some((line) => line.includes("waiting"));
    await eventually(waits, { timeoutMs: 20_000 });
    await system.startPostgresAgain();
    await system.isReady();
    await system.agentIsConnected();
    await withSession("script", async (session) => {
      expect(await session.demand("echo", { a: 1 })).toEqual({ a: 1 });
    });
  });

  test("gives up after a minute, and says which database does not answer", async () => {
    expect(await patient.ended()).toBe(1);
    expect(Date.now() - startedAt).toBeGreaterThan(60_000);
    expect(patient.output).toContain("waiting for the database");
    expect(patient.output).toMatch(
      /the database at 127\.0\.0\.1:\d+ cannot be used.*start it or correct DATABASE_URL/,
    );
    expect(patient.output).not.toContain("planted-password");
  });
});
