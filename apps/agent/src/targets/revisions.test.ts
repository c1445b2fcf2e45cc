import { readdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import {
  eventually,
  freePort,
  type JsonRpcObject,
  SCRIPTABLE_SERVER_PATH,
  startScriptableHttpServer,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { cleanUpAfterEach, http, onTestEnd, ownServer, sse, stdio, testHost } from "./fakes/target-bench.js";
import { TargetRevisions } from "./revisions.js";
import type { TargetHealth } from "./start-backoff.js";

cleanUpAfterEach();

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";

function revisions(options: Parameters<typeof testHost>[0] = {}) {
  const host = testHost(options);
  return { host, revisions: new TargetRevisions(host) };
}

/** Processes of the scriptable server that this process started. */
function scriptableChildren(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
    } catch {
      return false;
    }
  });
}

describe("what a stdio target speaks", () => {
  test.each([
    [["modern"], [MODERN]],
    [["dual"], [LEGACY, MODERN]],
    [[], [LEGACY]],
    [["exit-when-unknown"], [LEGACY]],
    [
      ["dual", "rubbish-first"],
      [LEGACY, MODERN],
    ],
    [["dual", "never-initialize", "ignore-sigterm"], [MODERN]],
  ])(
    "is learned from children that are gone afterwards: %j",
    async (switches, expected) => {
      const mark = `mark-${Math.random()}`;
      const { host, revisions: learner } = revisions();
      expect(await learner.learn(stdio([...switches, mark]), "all")).toEqual(expected);
      expect(host.children.count).toBe(0);
      expect(scriptableChildren(mark)).toEqual([]);
    },
    60_000,
  );

  test("is only what it answers to when it is silent for five seconds", async () => {
    const { revisions: learner } = revisions();
    const started = performance.now();
    expect(await learner.learn(stdio(["silent-when-unknown"]), "all")).toEqual([LEGACY]);
    expect(performance.now() - started).toBeGreaterThan(4_900);
  });

  test("is not decided by silence while it still starts", async () => {
    const { revisions: learner } = revisions();
    const slow = ownServer(`
      import { spawn } from "node:child_process";
      setTimeout(() => {
        spawn(process.execPath, [${JSON.stringify(SCRIPTABLE_SERVER_PATH)}, "dual"], { stdio: "inherit" })
          .on("exit", (code) => process.exit(code ?? 0));
      }, 5_500);
    `);
    expect(await learner.learn(slow, "all")).toEqual([LEGACY, MODERN]);
  });

  test.each([
    [["modern"], [MODERN]],
    [["dual"], [LEGACY, MODERN]],
    [["exit-when-unknown"], [LEGACY]],
  ])("is learned from one child after the other when only one may run: %j", async (switches, expected) => {
    const { host, revisions: learner } = revisions({ children: 1 });
    expect(await learner.learn(stdio(switches), "all")).toEqual(expected);
    expect(host.children.count).toBe(0);
    await expect(
      new TargetRevisions(testHost({ children: 1 })).learn(stdio(["exit-at-once=7"]), "all"),
    ).rejects.toThrow("code 7");
  });

  test("is remembered for ten minutes, and not for another definition", async () => {
    let now = 0;
    const learner = new TargetRevisions(testHost(), () => now);
    const definition = stdio(["modern"]);
    expect(learner.known(definition, "all")).toBeUndefined();
    const [one, other] = await Promise.all([
      learner.learn(definition, "all"),
      learner.learn(definition, "all"),
    ]);
    expect(one).toBe(other);
    expect(learner.known(definition, "all")).toEqual([MODERN]);
    expect(learner.known(stdio(["modern", "x"]), "all")).toBeUndefined();
    now += 10 * 60_000 + 1;
    expect(learner.known(definition, "all")).toBeUndefined();
  });

  test("cannot be learned from one that does not start; that counts as its failure", async () => {
    const told: TargetHealth[] = [];
    const { revisions: learner } = revisions({ onHealth: (health) => told.push(health) });
    const broken = stdio(["exit-at-once=7"]);
    await expect(learner.learn(broken, "all")).rejects.toMatchObject({
      failure: "TARGET_UNAVAILABLE",
      message: "the target's process exited with code 7",
    });
    expect(told).toMatchObject([{ failures: 1 }]);
    for (let again = 0; again < 2; again++)
      await expect(learner.learn(broken, "all")).rejects.toThrow("code 7");
    await expect(learner.learn(broken, "all")).rejects.toThrow("failed 3 times in a row");
  });

  test("is not asked where this host does not allow it", async () => {
    const { host, revisions: learner } = revisions({ commands: [] });
    await expect(learner.learn(stdio(["modern"]), "all")).rejects.toMatchObject({
      failure: "NOT_ALLOWED_HERE",
    });
    expect(host.children.count).toBe(0);
  });

  test("is not waited for when the agent stops: its children go as well", async () => {
    const { host, revisions: learner } = revisions();
    const learning = learner.learn(stdio(["silent-when-unknown", "never-initialize"]), "all");
    await eventually(() => host.children.count === 2);
    const [refused] = await Promise.allSettled([learning, learner.close()]);
    expect(refused).toMatchObject({ status: "rejected", reason: { message: "the agent is being stopped" } });
    expect(host.children.count).toBe(0);
  });
});

async function startRaw(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** Answers each method with a status and a body, or breaks the connection. */
function answering(
  answers: Readonly<Record<string, readonly [number, Partial<JsonRpcObject>] | undefined>>,
): RequestListener {
  return (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { method = "", id } = JSON.parse(body) as JsonRpcObject;
      const answer = answers[method];
      if (!answer) return void response.destroy();
      response.writeHead(answer[0], { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer[1] }));
    });
  };
}

const UNKNOWN = { error: { code: -32601, message: "unknown method" } };
const UNSUPPORTED = { error: { code: -32022, message: "no", data: { supported: ["2027-01-01"] } } };
const INITIALIZED = { result: { protocolVersion: LEGACY } };

describe("what an HTTP target speaks", () => {
  test.each([
    [["modern"], [MODERN]],
    [["dual"], [LEGACY, MODERN]],
    [[], [LEGACY]],
  ])("is learned by asking, and no session of the question stays: %j", async (switches, expected) => {
    const server = await startScriptableHttpServer({ switches });
    onTestEnd(() => server.close());
    const { revisions: learner } = revisions({ urls: [server.url] });
    expect(await learner.learn(http(server.url, { "x-api-key": "k" }), "all")).toEqual(expected);
    expect(server.sessionIds()).toEqual([]);
    expect(server.requests.every(({ headers }) => headers["x-api-key"] === "k")).toBe(true);
  });

  test("is not asked in the older era where the newer one is all that matters", async () => {
    const server = await startScriptableHttpServer({ switches: ["dual"] });
    onTestEnd(() => server.close());
    const { revisions: learner } = revisions({ urls: [server.url] });
    expect(await learner.learn(http(server.url), "modern")).toEqual([MODERN]);
    expect(server.requests.map(({ body }) => (JSON.parse(body) as JsonRpcObject).method)).toEqual([
      "server/discover",
    ]);
    expect(learner.known(http(server.url), "modern")).toEqual([MODERN]);
    expect(learner.known(http(server.url), "all")).toBeUndefined();
    expect(await learner.learn(http(server.url), "all")).toEqual([LEGACY, MODERN]);
    expect(learner.known(http(server.url), "modern")).toEqual([LEGACY, MODERN]);
  });

  test.each<[string, Parameters<typeof answering>[0], readonly string[]]>([
    [
      "a refusal that says what is",
      { "server/discover": [400, UNSUPPORTED], initialize: [200, UNKNOWN] },
      ["2027-01-01"],
    ],
    [
      "a refusal to initialize that says what is",
      { "server/discover": [404, UNKNOWN], initialize: [400, UNSUPPORTED] },
      ["2027-01-01"],
    ],
    [
      "an error that says nothing",
      { "server/discover": [200, UNKNOWN], initialize: [200, INITIALIZED] },
      [LEGACY],
    ],
    [
      "a result that says nothing",
      { "server/discover": [200, { result: {} }], initialize: [200, INITIALIZED] },
      [LEGACY],
    ],
    [
      "a break at the second question",
      {
        "server/discover": [200, { result: { supportedVersions: [MODERN, 7, "a b", "x".repeat(99)] } }],
        initialize: undefined,
      },
      [MODERN],
    ],
  ])("follows from %s", async (_name, answers, expected) => {
    const url = await startRaw(answering(answers));
    expect(await revisions({ urls: [url] }).revisions.learn(http(url), "all")).toEqual(expected);
  });

  test.each<[string, Parameters<typeof answering>[0], string]>([
    ["HTTP 500", { "server/discover": [500, UNKNOWN], initialize: [200, INITIALIZED] }, "HTTP 500"],
    ["HTTP 401", { "server/discover": [401, UNKNOWN], initialize: [200, INITIALIZED] }, "HTTP 401"],
    ["HTTP 429", { "server/discover": [429, UNKNOWN], initialize: [200, INITIALIZED] }, "HTTP 429"],
    ["a broken connection", { "server/discover": undefined, initialize: [200, INITIALIZED] }, "connection"],
    ["refusals of both", { "server/discover": [404, UNKNOWN], initialize: [404, UNKNOWN] }, "no revision"],
  ])("is not concluded from %s, and not remembered", async (_name, answers, message) => {
    const url = await startRaw(answering(answers));
    const { revisions: learner } = revisions({ urls: [url] });
    await expect(learner.learn(http(url), "all")).rejects.toMatchObject({ failure: "TARGET_UNAVAILABLE" });
    await expect(learner.learn(http(url), "all")).rejects.toThrow(message);
    expect(learner.known(http(url), "all")).toBeUndefined();
  });

  test("is not concluded from a port where nobody listens, nor asked where it is not allowed", async () => {
    const url = `http://127.0.0.1:${await freePort()}/mcp`;
    await expect(revisions({ urls: [url] }).revisions.learn(http(url), "all")).rejects.toThrow(
      "ECONNREFUSED",
    );
    await expect(revisions().revisions.learn(http(url), "all")).rejects.toMatchObject({
      failure: "NOT_ALLOWED_HERE",
    });
  });
});

describe("what a target of HTTP+SSE speaks", () => {
  test("is what its transport belongs to, and nobody is asked", async () => {
    const url = "http://127.0.0.1:9/sse";
    expect(await revisions({ urls: [url] }).revisions.learn(sse(url), "all")).toEqual(["2024-11-05"]);
    await expect(revisions().revisions.learn(sse(url), "all")).rejects.toMatchObject({
      failure: "NOT_ALLOWED_HERE",
    });
  });
});
