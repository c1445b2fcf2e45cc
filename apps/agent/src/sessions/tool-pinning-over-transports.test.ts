import { toolDigest } from "@drawbridge/mcp";
import { ExchangeFailure, type TargetDefinition } from "@drawbridge/protocol";
import {
  eventually,
  initialize,
  initialized,
  type JsonRpcObject,
  toolCall,
  toolsList,
} from "@drawbridge/testing";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { changingProcess, changingWebServer, overHttp, overSse } from "../fakes/changing-server.js";
import { type SessionBench, sessionBench } from "../fakes/session-bench.js";
import { waitFor } from "../fakes/wait-for.js";
import { cleanUpAfterEach, onTestEnd, stdio, testHost } from "../targets/fakes/target-bench.js";
import { openTarget } from "../targets/open-target.js";

cleanUpAfterEach();

const work = (version: number) => ({
  name: "work",
  description: `version ${version}`,
  inputSchema: { type: "object" },
});
const digestOf = (definition: object) => Buffer.from(toolDigest(Buffer.from(JSON.stringify(definition))));
const CHANGE = digestOf({ name: "change", description: "changes", inputSchema: { type: "object" } });
const COUNT = digestOf({ name: "count", description: "counts", inputSchema: { type: "object" } });

type Era = "legacy" | "modern";

/** A session with a real target, initialized where it is a legacy one (exchange 1). */
async function openSession(definition: TargetDefinition, era: Era, urls: readonly string[]) {
  const host = testHost({ urls });
  const bench = sessionBench({
    era,
    versions: era === "modern" ? ["2026-07-28"] : [],
    definition,
    openTarget: (wanted, use) => openTarget(host, wanted, use),
  });
  onTestEnd(() => bench.session.end("the test is over"));
  if (era === "legacy") {
    bench.send(1, initialize(1));
    await response(bench, 1);
    bench.send(0, initialized());
  }
  return bench;
}

function outcomeOf({ frames }: SessionBench, exchange: number) {
  return frames.find(
    (frame) =>
      (frame.$case === "exchangeFailed" && frame.value.exchange === exchange) ||
      (frame.$case === "message" && frame.value.exchange === exchange && frame.value.final),
  );
}

async function response(bench: SessionBench, exchange: number): Promise<JsonRpcObject> {
  const outcome = await waitFor(() => outcomeOf(bench, exchange));
  if (outcome.$case !== "message") throw new Error(`failed: ${JSON.stringify(outcome)}`);
  return JSON.parse(outcome.value.payload.toString()) as JsonRpcObject;
}

async function failure(bench: SessionBench, exchange: number): Promise<ExchangeFailure> {
  const outcome = await waitFor(() => outcomeOf(bench, exchange));
  if (outcome.$case !== "exchangeFailed") throw new Error("it went out");
  return outcome.value.failure;
}

function call(bench: SessionBench, exchange: number, name: string, digest: Buffer, args = {}): void {
  bench.send(exchange, toolCall(exchange, name, args), { toolDigest: digest });
}

/** How often the target was asked for its list, and how often "work" ran. */
async function counts(bench: SessionBench, exchange: number): Promise<unknown> {
  call(bench, exchange, "count", COUNT);
  return ((await response(bench, exchange)).result as JsonRpcObject & { structuredContent: unknown })
    .structuredContent;
}

const TARGETS: readonly [string, Era, () => Promise<{ definition: TargetDefinition; urls: string[] }>][] = [
  ["a process", "legacy", async () => ({ definition: changingProcess(), urls: [] })],
  ["a process", "modern", async () => ({ definition: changingProcess(), urls: [] })],
  ["Streamable HTTP", "legacy", web(overHttp)],
  ["Streamable HTTP", "modern", web(overHttp)],
  ["HTTP+SSE", "legacy", web(overSse)],
];

function web(over: (server: { readonly origin: string }) => TargetDefinition) {
  return async () => {
    const server = await changingWebServer();
    return { definition: over(server), urls: [`${server.origin}/*`] };
  };
}

describe.each(TARGETS)("a target over %s in a %s session", (_transport, era, start) => {
  let bench: SessionBench;
  beforeEach(async () => {
    const { definition, urls } = await start();
    bench = await openSession(definition, era, urls);
  });

  test("is asked for its tools, all pages, once for many calls", async () => {
    for (const exchange of [2, 3]) {
      call(bench, exchange, "work", digestOf(work(1)));
      await response(bench, exchange);
    }
    expect(await counts(bench, 4)).toEqual({ lists: 1, works: 2 });
    expect(bench.shown.map(({ tools, complete }) => [tools.map(({ name }) => name), complete])).toEqual([
      [["change", "work", "count"], true],
    ]);
    expect(bench.frames.every((frame) => frame.$case === "message" && frame.value.exchange < 5)).toBe(true);
  });

  test("is not asked when the client has read its list", async () => {
    for (const [exchange, cursor] of [[2], [3, "1"], [4, "2"]] as const) {
      bench.send(exchange, toolsList(exchange, cursor));
      await response(bench, exchange);
    }
    call(bench, 5, "work", digestOf(work(1)));
    await response(bench, 5);
    expect(await counts(bench, 6)).toEqual({ lists: 1, works: 1 });
    expect(bench.shown).toHaveLength(3);
  });

  test("whose tool changes without a word is found out when it is called as it is now", async () => {
    call(bench, 2, "change", CHANGE);
    await response(bench, 2);
    call(bench, 3, "work", digestOf(work(2)));
    await response(bench, 3);
    call(bench, 4, "work", digestOf(work(1)));
    expect(await failure(bench, 4)).toBe(ExchangeFailure.TOOL_CHANGED);
    expect(await counts(bench, 5)).toMatchObject({ works: 1 });
    expect(bench.shown.at(-1)?.tools[1]?.digest).toEqual(digestOf(work(2)));
  });

  test("whose tool changes and that says so is asked again", async () => {
    call(bench, 2, "change", CHANGE, { says: true });
    await response(bench, 2);
    call(bench, 3, "work", digestOf(work(1)));
    expect(await failure(bench, 3)).toBe(ExchangeFailure.TOOL_CHANGED);
    expect(await counts(bench, 4)).toMatchObject({ works: 0 });
  });

  test("is not called when nobody has accepted its tool", async () => {
    call(bench, 2, "work", Buffer.alloc(0));
    expect(await failure(bench, 2)).toBe(ExchangeFailure.TOOL_CHANGED);
    expect(bench.shown).toHaveLength(1);
  });

  test("answers the control plane's question", async () => {
    bench.session.receive({ $case: "listTools", value: {} });
    await vi.waitFor(() => expect(bench.shown).toHaveLength(1), { timeout: 10_000 });
    expect(bench.shown[0]?.tools[1]).toEqual({
      name: "work",
      digest: digestOf(work(1)),
      definition: Buffer.from(JSON.stringify(work(1))),
    });
  });
});

describe("the headers of a call to a process of 2026-07-28", () => {
  const REGION = { parameterHeaders: { "mcp-param-region": "eu" } };
  const headed = (exchange: number) => toolCall(exchange, "headed", { region: "eu" });
  const opened = async (...switches: string[]) => {
    const bench = await openSession(stdio(["modern", ...switches]), "modern", []);
    bench.session.receive({ $case: "listTools", value: {} });
    await eventually(() => bench.shown.length > 0);
    const digests = new Map(bench.shown[0]?.tools.map(({ name, digest }) => [name, digest]));
    return { bench, toolDigest: digests.get("headed") ?? Buffer.alloc(0), received: digests.get("received") };
  };
  const mismatch = async (bench: SessionBench, exchange: number): Promise<string> => {
    const outcome = await waitFor(() => outcomeOf(bench, exchange));
    if (outcome.$case !== "exchangeFailed") throw new Error("it went out");
    expect(outcome.value.failure).toBe(ExchangeFailure.HEADER_MISMATCH);
    return outcome.value.message;
  };

  test("have to say what the arguments say, by the target's own list", async () => {
    const { bench, toolDigest: digest, received } = await opened("page-size=3");
    bench.send(2, headed(2), { ...REGION, toolDigest: digest });
    expect(JSON.stringify(await response(bench, 2))).toContain('"region":"eu"');
    for (const [exchange, parameterHeaders] of [
      [3, { "mcp-param-region": "us" }],
      [4, {}],
    ] as const) {
      bench.send(exchange, headed(exchange), { parameterHeaders, toolDigest: digest });
      expect(await mismatch(bench, exchange)).toContain("Mcp-Param-Region");
    }
    call(bench, 5, "received", received ?? Buffer.alloc(0));
    const { texts } = (
      (await response(bench, 5)).result as unknown as { structuredContent: { texts: string[] } }
    ).structuredContent;
    expect(texts.filter((text) => text.includes('"headed"'))).toHaveLength(1);
    // One list, all its pages, for all calls; and nothing of it reaches the session.
    const pages = texts.filter((text) => text.includes('"tools/list"'));
    expect(pages.length).toBeGreaterThan(3);
    expect(new Set(pages).size).toBe(pages.length);
    expect(bench.frames.some((frame) => frame.$case === "message" && frame.value.exchange === 0)).toBe(false);
  });

  test("are refused when the list cannot be had; a call without any goes on", async () => {
    const { bench } = await opened("no-list");
    bench.send(2, headed(2), REGION);
    expect(await mismatch(bench, 2)).toContain("cannot be checked");
    bench.send(3, headed(3));
    expect(JSON.stringify(await response(bench, 3))).toContain('"region":"eu"');
  });
});
