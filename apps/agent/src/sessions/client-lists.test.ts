import { createMasker } from "@drawbridge/masking";
import { toolDigest } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import { notification, resultMessage, toolCall, toolsList } from "@drawbridge/testing";
import { describe, expect, test, vi } from "vitest";
import {
  type SessionBench,
  sessionBench,
  type SessionBenchOptions,
  settled,
} from "../fakes/session-bench.js";

const tool = (name: string, description = "does something") => ({ name, description, inputSchema: {} });
const digestOf = (definition: object) => Buffer.from(toolDigest(Buffer.from(JSON.stringify(definition))));
const many = (count: number, bytes = 0) =>
  Array.from({ length: count }, (_, n) => tool(`t${n}`, "x".repeat(bytes)));

/** A session in which a client has asked for the tools, in exchange 7. */
function asked(options: SessionBenchOptions = {}): SessionBench {
  const bench = sessionBench(options);
  bench.send(7, toolsList(7));
  bench.target().tools = undefined;
  return bench;
}

const kinds = ({ frames }: SessionBench) => frames.map(({ $case }) => $case);

/** What streams took, all of it, in order. */
function listen(bench: SessionBench, takes: () => boolean = () => true): string[] {
  const taken: string[] = [];
  bench.session.connect(({ frame }) => {
    taken.push(frame?.$case ?? "none");
    return takes();
  });
  return taken;
}

describe("a client is not shown a list of tools that the control plane cannot be told", () => {
  test("because there are too many in it", async () => {
    const bench = asked();
    bench.answer(resultMessage(7, { tools: many(2_001) }), 7);
    await vi.waitFor(() => expect(bench.frames).toHaveLength(1));
    expect(bench.frames).toMatchObject([
      { $case: "exchangeFailed", value: { exchange: 7, failure: ExchangeFailure.BAD_TARGET } },
    ]);
    expect(bench.shown).toEqual([]);
  });

  test("because masking left another list", () => {
    const payload = Buffer.from(JSON.stringify(resultMessage(7, { tools: [] })));
    const masker = { ...createMasker(), maskMessage: () => ({ payload, masked: {} }) };
    const bench = asked({ masker });
    bench.answer(resultMessage(7, { tools: [tool("echo")] }), 7);
    expect(bench.frames).toMatchObject([
      { $case: "exchangeFailed", value: { exchange: 7, failure: ExchangeFailure.BAD_TARGET } },
    ]);
  });

  test("because it is none", () => {
    const bench = asked();
    bench.answer(resultMessage(7, { tools: [tool("echo")], Tools: [tool("echo", "another")] }), 7);
    expect(bench.frames).toMatchObject([
      { $case: "exchangeFailed", value: { failure: ExchangeFailure.BAD_TARGET } },
    ]);
    expect(bench.shown).toEqual([]);
  });
});

describe("a list and what it says of tools", () => {
  test("are repeated together when they may have been lost with their stream", () => {
    const bench = asked();
    bench.session.disconnect();
    const first = listen(bench);
    bench.answer(resultMessage(7, { tools: [tool("echo")] }), 7);
    expect(first).toEqual(["toolDefinitions", "message"]);
    for (let stream = 0; stream < 2; stream++) {
      bench.session.disconnect();
      expect(listen(bench)).toEqual(["toolDefinitions", "message"]);
    }
  });

  test("are on one stream when it is full after the first of them", () => {
    const bench = asked();
    bench.session.disconnect();
    const first = listen(bench, () => false);
    bench.answer(resultMessage(7, { tools: [tool("echo")] }), 7);
    expect(first).toEqual(["toolDefinitions", "message"]);
  });

  test("are forgotten together", () => {
    const bench = asked({ bufferedBytes: 3_000 });
    bench.session.disconnect();
    listen(bench);
    bench.answer(resultMessage(7, { tools: [tool("echo", "x".repeat(1_000))] }), 7);
    bench.send(8, toolsList(8));
    bench.answer(resultMessage(8, { tools: [tool("echo", "y".repeat(1_000))] }), 8);
    bench.session.disconnect();
    expect(listen(bench)).toEqual(["toolDefinitions", "message"]);
  });
});

describe("a client's list of many pages", () => {
  /** How often the agent asks for itself, after the client has read so many pages of so many bytes. */
  async function listsOfAgent(pages: number, bytes: number): Promise<number> {
    const bench = sessionBench();
    const page = (at: number) => ({ tools: [tool(`t${at}`, "x".repeat(bytes))] });
    for (let at = 0; at < pages; at++) {
      const cursor = at === 0 ? undefined : `page ${at}`;
      bench.send(101 + at, toolsList(101 + at, cursor));
      const next = at + 1 < pages ? { nextCursor: `page ${at + 1}` } : {};
      bench.answer(resultMessage(101 + at, { ...page(at), ...next }), 101 + at);
      await vi.waitFor(() => expect(bench.frames).toHaveLength(at + 1));
    }
    bench.target().tools = undefined;
    bench.send(1, toolCall(1, "t0"), { toolDigest: digestOf(page(0).tools[0] ?? {}) });
    return bench.target().asked.length;
  }

  test("is relied on, unless it is longer than the agent itself would read", async () => {
    expect(await listsOfAgent(3, 1024 * 1024)).toBe(0);
    expect(await listsOfAgent(10, 1024 * 1024)).toBe(1);
  });
});

describe("a long list", () => {
  const long = resultMessage(7, { tools: many(400, 2_000) });

  test("is read while others have their turn, and the target is stopped meanwhile", async () => {
    const bench = asked();
    bench.answer(long, 7);
    expect([bench.frames, bench.target().isPaused]).toEqual([[], true]);
    let turns = 0;
    while (bench.frames.length === 0) {
      await settled();
      turns += 1;
    }
    expect(turns).toBeGreaterThan(3);
    expect(bench.shown.flatMap(({ tools }) => tools)).toHaveLength(400);
    expect(kinds(bench)).toEqual(["message"]);
    expect(bench.target().isPaused).toBe(false);
  });

  test("is answered for its transport as soon as it is here, once", async () => {
    const bench = asked();
    bench.answer(long, 7);
    expect(bench.target().listener.isWaiting(7)).toBe(false);
    bench.answer(resultMessage(7, { tools: [tool("echo")] }), 7);
    await vi.waitFor(() => expect(kinds(bench)).toEqual(["message"]));
    expect(bench.shown.flatMap(({ tools }) => tools)).toHaveLength(400);
  });

  test.each([
    [
      "the target ends",
      (bench: SessionBench) => bench.target().listener.ended({ reason: "exited", neverWorked: false }),
    ],
    ["the session is ended", (bench: SessionBench) => void bench.session.end("revoked")],
  ])("is told before %s", async (_name, end) => {
    const bench = asked();
    bench.answer(long, 7);
    end(bench);
    expect(kinds(bench)).toEqual(["message", "targetEnded"]);
    expect(bench.shown.flatMap(({ tools }) => tools)).toHaveLength(400);
    for (let turn = 0; turn < 10; turn++) await settled();
    expect(bench.frames).toHaveLength(2);
  });

  test("counts for no call when the tools have changed while it was read", async () => {
    const bench = asked();
    bench.answer(long, 7);
    bench.answer(notification("notifications/tools/list_changed"));
    await vi.waitFor(() => expect(kinds(bench)).toContain("message"));
    bench.send(8, toolCall(8, "t0"), { toolDigest: digestOf(tool("t0", "x".repeat(2_000))) });
    expect(bench.target().asked).toHaveLength(1);
  });
});
