import { toolDigest } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  errorMessage,
  initialize,
  notification,
  ping,
  request,
  resultMessage,
  toolCall,
  toolsList,
} from "@drawbridge/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TargetRefusedError } from "../targets/target-refused-error.js";
import { type SessionBench, type SessionBenchOptions, sessionBench } from "../fakes/session-bench.js";

const { TOOL_CHANGED, TARGET_UNAVAILABLE, NOT_SENT } = ExchangeFailure;
const LIST_CHANGED = notification("notifications/tools/list_changed");
const MODERN = { era: "modern", versions: ["2026-07-28"] } as const;

const tool = (name: string, description = "does something") => ({ name, description, inputSchema: {} });
const digestOf = (definition: object) => Buffer.from(toolDigest(Buffer.from(JSON.stringify(definition))));
const ECHO = tool("echo");
const OTHER = tool("echo", "does something else");

function failures({ frames }: SessionBench): object[] {
  return frames.flatMap((frame) => (frame.$case === "exchangeFailed" ? [frame.value] : []));
}

/** A session whose target shows these tools, or says nothing when it is asked. */
function benchWith(tools: readonly object[] | undefined, options: SessionBenchOptions = {}): SessionBench {
  const bench = sessionBench(options);
  bench.send(0, notification("notifications/x"));
  bench.target().sent.length = 0;
  bench.target().tools = tools;
  return bench;
}

/** A call that was accepted with this definition; undefined: with none. */
function call(bench: SessionBench, exchange: number, accepted?: object): void {
  bench.send(exchange, toolCall(exchange, "echo"), {
    toolDigest: accepted ? digestOf(accepted) : Buffer.alloc(0),
  });
}

function sent(bench: SessionBench): number[] {
  return bench.target().sent.map(({ exchange }) => exchange);
}

/** The client reads the target's list, of these pages. */
function clientReads(bench: SessionBench, pages: readonly (readonly object[])[], firstExchange = 101): void {
  for (const [index, tools] of pages.entries()) {
    const exchange = firstExchange + index;
    const next = index + 1 < pages.length ? { nextCursor: `page ${index + 1}` } : {};
    bench.send(exchange, toolsList(exchange, index === 0 ? undefined : `page ${index}`));
    bench.answer(resultMessage(exchange, { tools: [...tools], ...next }), exchange);
  }
  bench.target().sent.length = 0;
}

describe.each([
  ["legacy", {}],
  ["modern", MODERN],
] as const)("a call in a %s session", (_era, options) => {
  test("goes out when the target shows the definition that was accepted; who asks for it is the agent", () => {
    const bench = benchWith([ECHO], options);
    call(bench, 1, ECHO);
    expect(sent(bench)).toEqual([1]);
    expect(bench.shown).toEqual([
      {
        tools: [{ name: "echo", digest: digestOf(ECHO), definition: Buffer.from(JSON.stringify(ECHO)) }],
        complete: true,
        failure: "",
      },
    ]);
    expect(bench.frames).toEqual([]);
  });

  test("costs one list for many calls", () => {
    const bench = benchWith([ECHO], options);
    for (let exchange = 1; exchange <= 50; exchange++) call(bench, exchange, ECHO);
    expect([bench.target().asked.length, sent(bench).length]).toEqual([1, 50]);
  });

  test("costs none where the client has read the list", () => {
    const bench = benchWith([ECHO], options);
    clientReads(bench, [[tool("a")], [ECHO], [tool("b")]]);
    call(bench, 1, ECHO);
    expect([bench.target().asked, sent(bench)]).toEqual([[], [1]]);
    expect(bench.shown.map(({ tools, complete }) => [tools.map(({ name }) => name), complete])).toEqual([
      [["a"], false],
      [["echo"], false],
      [["b"], false],
    ]);
  });

  test.each([
    ["shows another definition", [OTHER], ECHO, "another definition"],
    ["shows one that nobody has accepted", [ECHO], undefined, "not known yet"],
    ["does not show it", [tool("a")], ECHO, "no longer shows it"],
    ["shows two of its name", [ECHO, ECHO], ECHO, "two tools"],
    ["shows two of its name, none of which was accepted", [ECHO, OTHER], undefined, "two tools"],
  ])("is refused when the target %s, and nothing is sent", (_name, shown, accepted, message) => {
    const bench = benchWith(shown, options);
    call(bench, 1, accepted);
    expect(sent(bench)).toEqual([]);
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: TOOL_CHANGED, message: expect.stringContaining(message) as string },
    ]);
    expect(bench.shown.at(-1)?.tools.map(({ name }) => name)).toEqual(shown.map(({ name }) => name));
  });

  test("is refused only after a new look, which is told", () => {
    const bench = benchWith([OTHER], options);
    clientReads(bench, [[ECHO]]);
    call(bench, 1, OTHER);
    expect([bench.target().asked.length, sent(bench)]).toEqual([1, [1]]);
    call(bench, 2, ECHO);
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: TOOL_CHANGED }]);
    expect(bench.shown).toHaveLength(3);
  });

  test("goes out without a list when nothing was accepted and the target has no such tool", () => {
    const bench = benchWith([], options);
    call(bench, 1);
    expect(sent(bench)).toEqual([1]);
  });

  test.each(["Echo", "ECHO", "ｅｃｈｏ", "echo ", "ec\u200bho", "есhо", "e-c"])(
    "of %j is refused when the target shows a tool that it could take that for",
    (name) => {
      const bench = benchWith([ECHO, tool("e_c")], options);
      bench.send(1, toolCall(1, name));
      expect(failures(bench)).toMatchObject([
        { failure: TOOL_CHANGED, message: expect.stringContaining("much the same name") as string },
      ]);
      expect(sent(bench)).toEqual([]);
    },
  );

  test("knows that the target's tools have changed when it says so", () => {
    const bench = benchWith([ECHO], options);
    call(bench, 1, ECHO);
    bench.target().tools = [OTHER];
    bench.answer(LIST_CHANGED);
    call(bench, 2, ECHO);
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: TOOL_CHANGED }]);
    expect(sent(bench)).toEqual([1]);
  });

  test("does not rely on pages that are of two lists", () => {
    const bench = benchWith([OTHER], options);
    bench.send(101, toolsList(101));
    bench.answer(resultMessage(101, { tools: [ECHO], nextCursor: "page 1" }), 101);
    bench.answer(LIST_CHANGED);
    bench.send(102, toolsList(102, "page 1"));
    bench.answer(resultMessage(102, { tools: [] }), 102);
    call(bench, 1, ECHO);
    expect(failures(bench)).toMatchObject([{ failure: TOOL_CHANGED }]);
  });

  test("does not rely on an answer that was asked for before the change", () => {
    const bench = benchWith([OTHER], options);
    bench.send(101, toolsList(101));
    bench.answer(LIST_CHANGED);
    bench.answer(resultMessage(101, { tools: [ECHO] }), 101);
    call(bench, 1, ECHO);
    expect(failures(bench)).toMatchObject([{ failure: TOOL_CHANGED }]);
  });

  test("does not rely on a list of which a part has been seen to be another one", () => {
    const bench = benchWith([OTHER], options);
    clientReads(bench, [[ECHO]]);
    bench.send(102, toolsList(102));
    bench.answer(resultMessage(102, { tools: [OTHER], nextCursor: "page 1" }), 102);
    call(bench, 1, ECHO);
    expect(failures(bench)).toMatchObject([{ failure: TOOL_CHANGED }]);
  });

  test.each([
    ["an error", (id: string) => errorMessage(id, -32603, "no")],
    ["no list", (id: string) => resultMessage(id, { tools: {} })],
  ])(
    "whose target answers its list with %s is refused where a definition was accepted",
    (_name, answerTo) => {
      const bench = benchWith(undefined, options);
      call(bench, 1, ECHO);
      call(bench, 2);
      const { parsed, exchange } = bench.target().asked[0] ?? { parsed: { id: { text: '""' } } };
      bench.answer(answerTo(JSON.parse((parsed as { id: { text: string } }).id.text) as string), exchange);
      expect(failures(bench)).toMatchObject([
        {
          exchange: 1,
          failure: TARGET_UNAVAILABLE,
          message: expect.stringContaining("could not list its tools") as string,
        },
      ]);
      // That nothing is known of the second one's tool was part of the decision to send it.
      expect(sent(bench)).toEqual([2]);
      expect(bench.frames).toHaveLength(1);
    },
  );

  test("of a target that knows no tools at all finds none", () => {
    const bench = benchWith(undefined, options);
    call(bench, 1, ECHO);
    call(bench, 2);
    const id = JSON.parse(bench.target().askedId) as string;
    bench.answer(errorMessage(id, -32601, "method not found"), bench.target().asked[0]?.exchange);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: TOOL_CHANGED }]);
    expect(sent(bench)).toEqual([2]);
    expect(bench.shown).toMatchObject([{ tools: [], complete: true, failure: "" }]);
  });

  test("is cancelled while it waits, and never sent", () => {
    const bench = benchWith(undefined, options);
    call(bench, 1, ECHO);
    bench.session.receive({ $case: "cancelExchange", value: { exchange: 1, reason: "gone" } });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: NOT_SENT }]);
    bench.target().answerAsked({ tools: [ECHO] });
    expect([sent(bench), bench.target().cancelled]).toEqual([[], []]);
    call(bench, 2, ECHO);
    expect(sent(bench)).toEqual([2]);
  });

  test("is not sent after the session has ended", async () => {
    const bench = benchWith(undefined, options);
    call(bench, 1, ECHO);
    await bench.session.end("revoked");
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([]);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: NOT_SENT }]);
    expect(bench.shown).toEqual([]);
  });

  test("was not sent when the target ends while it is asked", () => {
    const bench = benchWith(undefined, options);
    call(bench, 1, ECHO);
    bench.target().listener.ended({ reason: "exited", neverWorked: false });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: NOT_SENT, message: "exited" }]);
  });

  test("waits only in bounds", () => {
    const bench = benchWith(undefined, options);
    for (let exchange = 1; exchange <= 101; exchange++) call(bench, exchange, ECHO);
    expect(failures(bench)).toMatchObject([{ exchange: 101, failure: NOT_SENT }]);
  });

  test("has its digest not confused with that of a tool of another name", () => {
    const bench = benchWith([ECHO, tool("a")], options);
    bench.send(1, toolCall(1, "a"), { toolDigest: digestOf(ECHO) });
    expect(failures(bench)).toMatchObject([{ failure: TOOL_CHANGED }]);
  });
});

describe("while a call waits", () => {
  test("nothing of a legacy session overtakes it but answers, which the target may need", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.send(2, request(2, "prompts/list"));
    bench.send(0, notification("notifications/progress", { progressToken: 1, progress: 1 }));
    bench.send(0, resultMessage("server-1", {}));
    call(bench, 3, ECHO);
    expect(bench.target().sent.map(({ parsed }) => parsed.kind)).toEqual(["response"]);
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([0, 1, 2, 0, 3]);
    expect(bench.target().asked).toHaveLength(1);
  });

  test("what waited behind it goes out when it is cancelled", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.send(2, ping(2));
    bench.session.receive({ $case: "cancelExchange", value: { exchange: 1, reason: "gone" } });
    expect(sent(bench)).toEqual([2]);
  });

  test("the other requests of a modern session go out", () => {
    const bench = benchWith(undefined, MODERN);
    call(bench, 1, ECHO);
    bench.send(2, request(2, "prompts/list"));
    expect(sent(bench)).toEqual([2]);
  });
});

describe("the control plane's question for all tools", () => {
  const ask = ({ session }: SessionBench) => session.receive({ $case: "listTools", value: {} });

  test("is answered with all pages in one", () => {
    const bench = benchWith(undefined, MODERN);
    ask(bench);
    bench.target().answerAsked({ tools: [ECHO], nextCursor: "2" });
    expect(JSON.parse(Buffer.from(bench.target().asked[1]?.parsed.bytes ?? []).toString())).toMatchObject({
      method: "tools/list",
      params: { cursor: "2", _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } },
    });
    bench.target().answerAsked({ tools: [tool("a")] });
    expect(bench.shown.map(({ tools, complete }) => [tools.map(({ name }) => name), complete])).toEqual([
      [["echo", "a"], true],
    ]);
    expect([bench.frames, sent(bench)]).toEqual([[], []]);
    call(bench, 1, ECHO);
    expect(sent(bench)).toEqual([1]);
  });

  test("is not put to a legacy target before the session is initialized", () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(resultMessage(1, {}));
    ask(bench);
    expect(bench.shown).toMatchObject([
      { complete: false, failure: expect.stringContaining("initialized") as string },
    ]);
    bench.send(0, notification("notifications/initialized"));
    bench.target().tools = [ECHO];
    ask(bench);
    expect(bench.shown[1]).toMatchObject({ complete: true, failure: "" });
  });

  test("is answered with why the tools could not be listed, masked", () => {
    const token = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;
    const bench = benchWith(undefined, MODERN);
    ask(bench);
    const exchange = bench.target().asked[0]?.exchange ?? 0;
    bench.target().listener.exchangeFailed(exchange, ExchangeFailure.TARGET_UNAVAILABLE, `down: ${token}`);
    expect(bench.shown).toMatchObject([
      { tools: [], complete: false, failure: expect.stringContaining("down: ") as string },
    ]);
    expect(JSON.stringify(bench.shown)).not.toContain(token.slice(0, 12));
    expect(bench.frames).toEqual([]);
  });

  test("gives definitions masked, under the digest of what the target said", () => {
    const token = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;
    const secret = tool("echo", `uses ${token}`);
    const bench = benchWith([secret], MODERN);
    ask(bench);
    const shown = bench.shown[0]?.tools[0];
    expect(shown?.digest).toEqual(digestOf(secret));
    expect(shown?.definition.toString()).toContain('"name":"echo"');
    expect(shown?.definition.toString()).not.toContain(token.slice(0, 12));
    call(bench, 1, secret);
    expect(sent(bench)).toEqual([1]);
  });

  test("leaves a definition of more than 256 KiB empty, and splits what does not fit into one frame", async () => {
    const large = tool("large", "x".repeat(300 * 1024));
    const bench = benchWith(
      [large, ...Array.from({ length: 10 }, (_, n) => tool(`t${n}`, "y".repeat(200 * 1024)))],
      {
        ...MODERN,
        maxMessageBytes: 1024 * 1024,
      },
    );
    ask(bench);
    await vi.waitFor(() => expect(bench.shown.length).toBeGreaterThan(2));
    expect(bench.shown.at(-1)).toMatchObject({ tools: [], failure: "they are too many for one message" });
    expect(bench.shown.flatMap(({ tools }) => tools.map(({ name }) => name))).toHaveLength(11);
    expect(bench.shown.map(({ complete }) => complete)).toEqual(bench.shown.map(() => false));
    expect(bench.shown[0]?.tools[0]).toMatchObject({ digest: digestOf(large), definition: { length: 0 } });
  });
});

describe("a target whose answers take time", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("that never answers its list makes nobody wait for more than 10 s, and not each call", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    call(bench, 2);
    vi.advanceTimersByTime(10_000);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: TARGET_UNAVAILABLE }]);
    expect(sent(bench)).toEqual([2]);
    expect(bench.target().cancelled).toEqual([bench.target().asked[0]?.exchange]);
    call(bench, 3, ECHO);
    expect(failures(bench)).toMatchObject([{}, { exchange: 3, failure: TARGET_UNAVAILABLE }]);
    vi.advanceTimersByTime(5_000);
    call(bench, 4, ECHO);
    expect(bench.target().asked).toHaveLength(2);
    // What comes too late is nobody's.
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([2, 4]);
  });

  test.each([
    ["ended", (bench: SessionBench) => void bench.session.end("revoked")],
    [
      "over with its target",
      (bench: SessionBench) => bench.target().listener.ended({ reason: "exited", neverWorked: false }),
    ],
  ])("leaves no timer when its session is %s meanwhile", (_name, end) => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.send(2, ping(2));
    end(bench);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("is not blamed for a client that does not read", () => {
    const bench = benchWith(undefined, { bufferedBytes: 100 });
    bench.session.disconnect();
    bench.send(101, ping(101));
    bench.answer(resultMessage(101, { text: "x".repeat(1_000) }));
    expect(bench.target().isPaused).toBe(true);
    call(bench, 1, ECHO);
    vi.advanceTimersByTime(60_000);
    bench.connect();
    expect(failures(bench)).toEqual([]);
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([101, 1]);
  });

  test("has its list read again after a minute where it cannot say that it changed", () => {
    for (const [options, lists] of [
      [{}, 1],
      [MODERN, 2],
      [{ definition: HTTP }, 2],
    ] as const) {
      const bench = benchWith([ECHO], options);
      call(bench, 1, ECHO);
      vi.advanceTimersByTime(59_999);
      call(bench, 2, ECHO);
      expect(bench.target().asked).toHaveLength(1);
      vi.advanceTimersByTime(1);
      call(bench, 3, ECHO);
      expect(bench.target().asked).toHaveLength(lists);
    }
  });
});

const HTTP = {
  name: "web",
  transport: { $case: "http", value: { url: "http://127.0.0.1:1/", headers: {} } },
  exchangeTimeoutMs: 0,
  idleTimeoutMs: 0,
} as const;

describe("a target that says no more than that there is another page", () => {
  const answers = {
    "gives the last page again": () => ({ tools: [tool("b"), ECHO], nextCursor: "last" }),
    "gives its only page again, with an empty cursor": () => ({ tools: [ECHO], nextCursor: "" }),
  };

  test.each(Object.entries(answers))("and then %s has shown all", (_name, page) => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.target().answerAsked(page());
    bench.target().answerAsked(page());
    expect(sent(bench)).toEqual([1]);
    expect(bench.shown).toMatchObject([
      { complete: true, tools: page().tools.map(({ name }) => ({ name })) },
    ]);
  });

  test("and knows no empty cursor when it is asked for that has shown all", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.target().answerAsked({ tools: [ECHO], nextCursor: "" });
    bench.answer(errorMessage(JSON.parse(bench.target().askedId) as string, -32602, "invalid cursor"));
    expect(sent(bench)).toEqual([1]);
  });

  test("and has one with an empty cursor is asked for it", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.target().answerAsked({ tools: [tool("a")], nextCursor: "" });
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([1]);
  });

  test("and then gives that with another definition shows two", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.target().answerAsked({ tools: [ECHO], nextCursor: "2" });
    bench.target().answerAsked({ tools: [OTHER] });
    expect(failures(bench)).toMatchObject([{ message: expect.stringContaining("two tools") as string }]);
  });
});

describe("a hostile target", () => {
  test.each([
    ["always has another page", (page: number) => ({ tools: [tool(`t${page}`)], nextCursor: String(page) })],
    ["goes round in circles", () => ({ tools: [], nextCursor: "again" })],
    ["has too many tools", () => ({ tools: Array.from({ length: 2_001 }, (_, n) => tool(`t${n}`)) })],
    [
      "has pages that are too long together",
      (page: number) => ({ tools: [tool(`t${page}`, "x".repeat(1024 * 1024))], nextCursor: String(page) }),
    ],
  ])("that %s is given up", async (_name, page) => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    for (let answered = 0; answered < bench.target().asked.length; answered++) {
      bench.target().answerAsked(page(answered));
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bench.target().asked.length).toBeLessThanOrEqual(100);
    await vi.waitFor(() => expect(failures(bench)).toHaveLength(1));
    expect(failures(bench)).toMatchObject([
      {
        failure: TARGET_UNAVAILABLE,
        message: "the target could not list its tools: its list of tools is too long",
      },
    ]);
    expect([bench.shown, sent(bench)]).toEqual([[], []]);
  });

  test("that says in a loop that its tools have changed is asked three times", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    for (let answered = 0; answered < bench.target().asked.length; answered++) {
      bench.answer(LIST_CHANGED);
      bench.target().answerAsked({ tools: [ECHO] });
    }
    expect(bench.target().asked).toHaveLength(3);
    expect(failures(bench)).toMatchObject([
      {
        failure: TARGET_UNAVAILABLE,
        message: expect.stringContaining("change while they are listed") as string,
      },
    ]);
    expect(sent(bench)).toEqual([]);
  });

  test("that answers with another id answers nobody", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    for (const id of ["drawbridge-1", 1, "x"]) bench.answer(resultMessage(id, { tools: [ECHO] }));
    expect(sent(bench)).toEqual([]);
    expect(bench.frames.filter(({ $case }) => $case === "message")).toHaveLength(1);
    expect(bench.shown).toEqual([]);
  });

  test("that answers the list twice answers it once", () => {
    const bench = benchWith([ECHO]);
    call(bench, 1, ECHO);
    bench.target().answerAsked({ tools: [OTHER] });
    call(bench, 2, ECHO);
    expect(sent(bench)).toEqual([1, 2]);
    expect(bench.frames).toEqual([]);
  });

  test("that asks its client for something beside the list is heard by it", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    const exchange = bench.target().asked[0]?.exchange;
    bench.answer(request("server-1", "roots/list"), exchange);
    expect(bench.frames).toMatchObject([{ $case: "message", value: { exchange: 0, final: false } }]);
  });

  test("whose list comes in pieces has one that is too long", async () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    const id = bench.target().askedId;
    const text = `{"jsonrpc":"2.0","result":{"tools":[],"x":"${"x".repeat(200_000)}"},"id":${id}}`;
    await bench.target().sayLarge([Buffer.from(text)]);
    expect(failures(bench)).toMatchObject([
      { failure: TARGET_UNAVAILABLE, message: expect.stringContaining("too long") as string },
    ]);
    expect(bench.frames.some(({ $case }) => $case === "message")).toBe(false);
  });

  test("whose list is no message is not waited for", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    const id = bench.target().askedId;
    const text = `{"jsonrpc":"2.0","id":${id},"result":{"tools":[],"tools":[]}}`;
    bench.target().listener.message(Buffer.from(text));
    expect(failures(bench)).toMatchObject([{ failure: TARGET_UNAVAILABLE }]);
  });
});

describe("a target that cannot be listed", () => {
  test.each([[ECHO], [undefined]])(
    "because its session is gone has its client initialize again (%j)",
    (accepted) => {
      const bench = benchWith(undefined);
      call(bench, 1, accepted);
      const exchange = bench.target().asked[0]?.exchange ?? 0;
      bench.target().listener.exchangeFailed(exchange, ExchangeFailure.SESSION_GONE, "initialize again");
      expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.SESSION_GONE }]);
      expect(sent(bench)).toEqual([]);
      bench.send(2, initialize(2));
      bench.answer(resultMessage(2, {}));
      bench.target().tools = [ECHO];
      call(bench, 3, ECHO);
      expect(sent(bench)).toEqual([2, 3]);
    },
  );

  test("is believed what it showed before", () => {
    const bench = benchWith([ECHO]);
    call(bench, 1, ECHO);
    bench.target().tools = undefined;
    call(bench, 2);
    const exchange = bench.target().asked[1]?.exchange ?? 0;
    bench.target().listener.exchangeFailed(exchange, ExchangeFailure.TARGET_UNAVAILABLE, "down");
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: TOOL_CHANGED }]);
    expect(sent(bench)).toEqual([1]);
  });

  test("is asked again for the next call when it failed at once", () => {
    const bench = benchWith(undefined);
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      call(bench, 1, ECHO);
      const exchange = bench.target().asked[0]?.exchange ?? 0;
      bench.target().listener.exchangeFailed(exchange, ExchangeFailure.TARGET_UNAVAILABLE, "down");
      expect(failures(bench)).toMatchObject([{ exchange: 1, failure: TARGET_UNAVAILABLE }]);
      bench.target().tools = [ECHO];
      call(bench, 2, ECHO);
      expect(sent(bench)).toEqual([2]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("because it may not be used here says that", () => {
    const bench = sessionBench({
      openTarget: () => {
        throw new TargetRefusedError("NOT_ALLOWED_HERE", "not on the list");
      },
    });
    call(bench, 1, ECHO);
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: ExchangeFailure.NOT_ALLOWED_HERE, message: "not on the list" },
    ]);
  });
});

describe("what a listing found does not count", () => {
  test("when the client has read a newer list meanwhile", () => {
    const bench = benchWith(undefined, MODERN);
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      call(bench, 1, ECHO);
      vi.advanceTimersByTime(10);
      clientReads(bench, [[OTHER]]);
      bench.target().answerAsked({ tools: [ECHO] });
    } finally {
      vi.useRealTimers();
    }
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: TOOL_CHANGED }]);
    expect(sent(bench)).toEqual([]);
  });

  test("for calls behind an initialize that waited with them", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.send(2, initialize(2));
    call(bench, 3, ECHO);
    bench.send(4, ping(4));
    for (let listing = 0; listing < 3 && sent(bench).length === 0; listing++)
      bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([1, 2]);
    bench.answer(resultMessage(2, {}));
    bench.target().answerAsked({ tools: [OTHER] });
    expect(failures(bench)).toMatchObject([{ exchange: 3, failure: TOOL_CHANGED }]);
    expect(sent(bench)).toEqual([1, 2, 4]);
  });
});

describe("a session over several streams", () => {
  test("is told again what the target shows where a call is refused", () => {
    const bench = benchWith([OTHER]);
    call(bench, 1, OTHER);
    bench.session.disconnect();
    bench.connect();
    bench.shown.length = 0;
    call(bench, 2, ECHO);
    expect(bench.shown).toHaveLength(1);
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: TOOL_CHANGED }]);
  });

  test("goes on with a call that waited when its stream broke", () => {
    const bench = benchWith(undefined);
    call(bench, 1, ECHO);
    bench.session.disconnect();
    bench.target().answerAsked({ tools: [ECHO] });
    expect(sent(bench)).toEqual([1]);
    expect(bench.shown).toEqual([]);
    bench.connect();
    expect(bench.shown).toHaveLength(1);
  });

  test("begins anew with what it knows when it is initialized again", () => {
    const bench = benchWith([ECHO]);
    call(bench, 1, ECHO);
    bench.send(2, initialize(2));
    bench.answer(resultMessage(2, {}));
    call(bench, 3, ECHO);
    expect(bench.target().asked).toHaveLength(2);
  });
});
