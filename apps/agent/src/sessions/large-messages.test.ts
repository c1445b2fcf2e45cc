import { createMasker, type Masker, UnmaskableError } from "@drawbridge/masking";
import { ExchangeFailure } from "@drawbridge/protocol";
import { encodeMessage, ping, request, resultMessage, toolCall, toolsList } from "@drawbridge/testing";
import { describe, expect, test, vi } from "vitest";
import { type SessionBench, sessionBench, settled } from "../fakes/session-bench.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

interface Arrived {
  readonly payload: string;
  readonly sizes: number[];
  readonly end: { exchange: number; masked: object } | undefined;
  readonly aborted: boolean;
}

function arrived({ frames }: SessionBench, transfer = 1): Arrived {
  const chunks = frames.flatMap((frame) =>
    frame.$case === "messageChunk" && frame.value.transfer === transfer ? [frame.value] : [],
  );
  return {
    payload: Buffer.concat(chunks.map(({ payload }) => payload)).toString(),
    sizes: chunks.map(({ payload }) => payload.length),
    end: chunks.find(({ end }) => end)?.end,
    aborted: chunks.some(({ aborted }) => aborted),
  };
}

function failures({ frames }: SessionBench): object[] {
  return frames.flatMap((frame) => (frame.$case === "exchangeFailed" ? [frame.value] : []));
}

/** Gives every piece on at once, as a masker does that has nothing to hold back. */
function passing(): Masker {
  return {
    ...createMasker(),
    maskStream: () => ({ push: (chunk) => [chunk], end: () => ({ rest: [], masked: {} }) }),
  };
}

/** A session with a call under way for each id, exchange 1 and on. */
function calling(ids: readonly string[], options?: Parameters<typeof sessionBench>[0]): SessionBench {
  const bench = sessionBench({ versions: ["2026-07-28"], masker: passing(), ...options });
  for (const [index, id] of ids.entries()) bench.send(index + 1, toolCall(id, "export"));
  return bench;
}

function* pieces(bytes: Uint8Array, size = 64 * KIB): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** All that came at once has been worked on. */
async function worked(bench: SessionBench): Promise<void> {
  while (bench.target().isPaused) await settled();
}

function result(id: string, bytes: number, text = ""): Uint8Array {
  const filler = "lorem ipsum dolor ".repeat(Math.ceil(bytes / 18));
  return encodeMessage(resultMessage(id, { content: [{ type: "text", text: `${text} ${filler}` }] }));
}

function maskerThatFails(): Masker {
  return {
    ...createMasker(),
    maskStream: () => ({
      push: () => {
        throw new UnmaskableError("too_slow");
      },
      end: () => ({ rest: [], masked: {} }),
    }),
  };
}

describe("a large result", () => {
  test("goes in chunks of 256 KiB, masked, and is over with the last", async () => {
    const bench = calling(["a", "b"], { masker: createMasker() });
    const whole = result("b", 3 * MIB, `a token ${TOKEN}`);
    await bench.target().sayLarge(pieces(whole));
    const { payload, sizes, end, aborted } = arrived(bench);
    expect(sizes.slice(0, -1).every((size) => size === 256 * KIB)).toBe(true);
    expect(end).toMatchObject({ exchange: 2 });
    expect(payload).not.toContain(TOKEN);
    expect(payload).toBe(Buffer.from(createMasker().maskMessage(whole).payload).toString());
    expect(Object.values(end?.masked ?? {})).toEqual([1]);
    expect([aborted, failures(bench)]).toEqual([false, []]);
    expect(bench.target().listener.isWaiting(2)).toBe(false);
    expect(bench.target().listener.isWaiting(1)).toBe(true);
  });

  test("of two calls with one id is the answer to the one its transport names", async () => {
    const bench = calling(["same", "same"], { era: "modern" });
    await bench.target().sayLarge(pieces(result("same", MIB)), 1);
    expect(arrived(bench).end).toMatchObject({ exchange: 1 });
  });

  test("that comes beside another keeps its own chunks", () => {
    const bench = calling(["a", "b"], { era: "modern" });
    const first = bench.target().listener.large(1);
    const second = bench.target().listener.large(2);
    const [ofA, ofB] = [result("a", MIB), result("b", MIB)];
    const both = [[...pieces(ofA)], [...pieces(ofB)]] as const;
    for (const [index, piece] of both[0].entries()) {
      first.push(piece);
      second.push(both[1][index] ?? new Uint8Array());
    }
    first.end();
    second.end();
    expect(JSON.parse(arrived(bench, 1).payload)).toMatchObject({ id: "a" });
    expect(JSON.parse(arrived(bench, 2).payload)).toMatchObject({ id: "b" });
  });

  test("over the limit is withheld, as soon as that is certain where it is known whose it is", async () => {
    const bench = calling(["a", "b"], { maxResultBytes: MIB });
    await bench.target().sayLarge(pieces(result("b", 2 * MIB)));
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect(failures(bench)).toMatchObject([
      { exchange: 2, failure: ExchangeFailure.RESULT_TOO_LARGE, message: `the limit is ${MIB} bytes` },
    ]);
    const sink = bench.target().listener.large(1);
    sink.push(Buffer.alloc(MIB + 1, " "));
    await worked(bench);
    expect(failures(bench)[1]).toMatchObject({ exchange: 1, failure: ExchangeFailure.RESULT_TOO_LARGE });
  });

  test("that cannot be masked is withheld", async () => {
    const bench = calling(["a", "b"], { masker: maskerThatFails() });
    await bench.target().sayLarge(pieces(result("a", MIB)));
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: ExchangeFailure.UNMASKABLE, message: "" },
    ]);
    expect(arrived(bench).payload).toBe("");
  });

  test("is refused where the control plane has to read it whole", async () => {
    const bench = sessionBench({ masker: passing() });
    bench.send(1, toolsList("a"));
    await bench.target().sayLarge(pieces(result("a", MIB)));
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_TOO_LARGE }]);
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
  });

  test("is refused where it asks something of the client, for that is decided about first", async () => {
    const bench = calling(["a"], { era: "modern" });
    const inputRequests = { one: { method: "sampling/createMessage", params: { text: "x".repeat(MIB) } } };
    const asking = resultMessage("a", { resultType: "input_required", inputRequests });
    await bench.target().sayLarge(pieces(encodeMessage(asking)), 1);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_TOO_LARGE }]);
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
  });

  test("that cannot be read in one way only fails the call it answers", async () => {
    const bench = calling(["a", "b"]);
    const text = `{"jsonrpc":"2.0","id":"a","result":{"x":"${"y".repeat(MIB)}","x":1}}`;
    await bench.target().sayLarge(pieces(Buffer.from(text)));
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.BAD_TARGET }]);
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
  });

  test("that breaks off into nonsense before its id fails the only call, and of several none", async () => {
    const nonsense = Buffer.from(`{"jsonrpc":"2.0","result":"${"y".repeat(MIB)}"nonsense`);
    const alone = calling(["a"]);
    await alone.target().sayLarge(pieces(nonsense));
    expect(failures(alone)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.BAD_TARGET }]);
    const several = calling(["a", "b"]);
    await several.target().sayLarge(pieces(nonsense));
    expect(failures(several)).toEqual([]);
    expect(several.logs.join("")).toContain("a large message of the target was dropped");
  });

  test("that is nonsense fails the call that its transport names in the end", () => {
    const bench = calling(["a", "b"], { era: "modern" });
    const sink = bench.target().listener.large();
    sink.push(Buffer.from('{"jsonrpc":"2.0","id":"a","result":nonsense'));
    expect(failures(bench)).toEqual([]);
    sink.end(1);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.BAD_TARGET }]);
  });

  test.each([
    ["a notification", { jsonrpc: "2.0", method: "notifications/message", params: { x: "y".repeat(MIB) } }],
    ["a request of the target", request("a", "sampling/createMessage", { x: "y".repeat(MIB) })],
    ["a response to nobody", resultMessage("z", { x: "y".repeat(MIB) })],
  ] as const)("that is %s is dropped, and no call hears of it", async (_name, message) => {
    const bench = calling(["a"]);
    await bench.target().sayLarge(pieces(encodeMessage(message)));
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect([failures(bench), bench.target().listener.isWaiting(1)]).toEqual([[], true]);
  });

  test("that the target does not finish ends without a word about the call", async () => {
    const bench = calling(["a"]);
    const sink = bench.target().listener.large(1);
    sink.push(result("a", MIB));
    await worked(bench);
    sink.abort("the connection broke");
    sink.push(Buffer.from("more"));
    sink.end();
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect([failures(bench), bench.target().listener.isWaiting(1)]).toEqual([[], true]);
  });

  test("goes with its target", async () => {
    const bench = calling(["a"]);
    const sink = bench.target().listener.large();
    sink.push(result("a", MIB));
    await worked(bench);
    bench.target().listener.ended({ reason: "exited", neverWorked: false });
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.OUTCOME_UNKNOWN }]);
  });

  test("is of no interest when the session is over", async () => {
    const bench = calling(["a"]);
    await bench.session.end("closed");
    const said = bench.frames.length;
    await bench.target().sayLarge(pieces(result("a", MIB)));
    expect(bench.frames).toHaveLength(said);
  });

  test("is a sign of life for as long as it comes", () => {
    vi.useFakeTimers();
    try {
      const bench = calling(["a", "b"], { timeouts: { totalMs: 3_600_000, idleMs: 10_000 } });
      const sink = bench.target().listener.large();
      for (const piece of pieces(result("a", 300 * KIB))) {
        sink.push(piece);
        vi.advanceTimersByTime(9_000);
      }
      expect(failures(bench)).toEqual([]);
      vi.advanceTimersByTime(2_000);
      expect(failures(bench)).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the pace of a large result", () => {
  test("is that of the stream: no more waits than the limit and a chunk", async () => {
    const bench = sessionBench({ masker: passing(), bufferedBytes: MIB });
    bench.session.disconnect();
    bench.send(1, toolCall("a", "export"));
    const saying = bench.target().sayLarge(pieces(result("a", 8 * MIB)));
    while (!bench.target().isPaused) await settled();
    for (let turns = 0; turns < 50; turns++) await settled();
    const before = bench.frames.length;
    let taken = 0;
    bench.connect(() => (taken += 1) < 20);
    const waited = arrived(bench).sizes.reduce((sum, size) => sum + size, 0);
    expect(before).toBe(0);
    expect(waited).toBeGreaterThan(MIB / 2);
    expect(waited).toBeLessThanOrEqual(MIB + 2 * 256 * KIB);
    for (let done = false; !done;) {
      bench.session.ready();
      done = await Promise.race([saying.then(() => true), settled().then(() => false)]);
    }
    bench.connect();
    expect(JSON.parse(arrived(bench).payload)).toMatchObject({ id: "a" });
  });

  test("lets others have their turn after every few pieces", async () => {
    const bench = calling(["a"]);
    const whole = result("a", 4 * MIB);
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    count();
    await bench.target().sayLarge(pieces(whole));
    isDone = true;
    expect(turns).toBeGreaterThan(25);
  });

  test("does so though much of it came at once", async () => {
    const bench = calling(["a"], { bufferedBytes: 8 * MIB });
    const sink = bench.target().listener.large();
    sink.push(result("a", 4 * MIB));
    const sizes = [arrived(bench).sizes.length];
    for (let turns = 0; bench.target().isPaused; turns++) {
      await settled();
      sizes.push(arrived(bench).sizes.length);
    }
    expect(sizes[0]).toBeLessThan(2);
    expect(sizes.length).toBeGreaterThan(25);
    expect(sizes.at(-1)).toBeGreaterThan(14);
    sink.end();
    expect(arrived(bench).end).toMatchObject({ exchange: 1 });
  });

  test("needs no turn of its own for what still waits when it ends", () => {
    const bench = calling(["a"]);
    const sink = bench.target().listener.large();
    sink.push(result("a", 4 * MIB));
    sink.end();
    expect(JSON.parse(arrived(bench).payload)).toMatchObject({ id: "a" });
  });
});

describe("a large result whose stream breaks", () => {
  test("is cut off, and its call hears of it when it is known which it was", async () => {
    const bench = calling(["a", "b"]);
    const sink = bench.target().listener.large();
    const [first, ...rest] = pieces(result("b", 2 * MIB), MIB);
    sink.push(first ?? new Uint8Array());
    await worked(bench);
    bench.session.disconnect();
    bench.connect();
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    const sizeThen = bench.frames.length;
    for (const piece of rest) sink.push(piece);
    expect(bench.frames).toHaveLength(sizeThen);
    sink.end();
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: ExchangeFailure.RESULT_CUT_OFF }]);
    bench.answer(resultMessage("a", {}));
    expect(bench.frames.at(-1)).toMatchObject({ $case: "message", value: { exchange: 1, final: true } });
  });

  test("is cut off at once where the transport knows the call", async () => {
    const bench = calling(["a"], { era: "modern" });
    const sink = bench.target().listener.large(1);
    sink.push(result("a", 2 * MIB).subarray(0, MIB));
    await worked(bench);
    bench.session.disconnect();
    bench.connect();
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_CUT_OFF }]);
  });

  test("is cut off when it had come whole but not gone out whole", async () => {
    const bench = sessionBench({ masker: passing() });
    bench.session.disconnect();
    let taken = 0;
    bench.connect(() => (taken += 1) < 3);
    bench.send(1, toolCall("a", "export"));
    await bench.target().sayLarge(pieces(result("a", 2 * MIB)));
    bench.session.disconnect();
    bench.connect();
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_CUT_OFF }]);
  });

  test("may have been cut off when its last piece had just gone out, and that is said on the next stream", async () => {
    const bench = calling(["a"]);
    await bench.target().sayLarge(pieces(result("a", MIB)));
    expect(failures(bench)).toEqual([]);
    bench.session.disconnect();
    bench.connect();
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_CUT_OFF }]);
    expect(arrived(bench).aborted).toBe(false);
  });

  test("waits for the stream that takes it where none took any of it", async () => {
    const bench = sessionBench({ masker: passing() });
    bench.session.disconnect();
    bench.send(1, toolCall("a", "export"));
    await bench.target().sayLarge(pieces(result("a", MIB)));
    bench.session.disconnect();
    bench.connect();
    expect(JSON.parse(arrived(bench).payload)).toMatchObject({ id: "a" });
    expect([arrived(bench).end, failures(bench)]).toMatchObject([{ exchange: 1 }, []]);
  });

  test("too, though it came whole and was only too large for a frame", () => {
    const bench = sessionBench({ maxMessageBytes: 100_000 });
    bench.session.disconnect();
    let taken = 0;
    bench.connect(() => (taken += 1) < 2);
    bench.send(1, toolCall("a", "export"));
    bench.target().listener.message(result("a", MIB));
    bench.session.disconnect();
    bench.connect();
    expect(arrived(bench).sizes.every((size) => size <= 100_000)).toBe(true);
    expect(arrived(bench)).toMatchObject({ aborted: true, end: undefined });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.RESULT_CUT_OFF }]);
    bench.send(2, ping("b"));
    bench.answer(resultMessage("b", {}));
    expect(bench.frames.at(-1)).toMatchObject({ $case: "message", value: { exchange: 2 } });
  });
});

describe("a large message on a stream that belongs to no call", () => {
  test("takes no call with it when it cannot be read", async () => {
    const bench = calling(["a"]);
    const broken = [
      Buffer.from('{"jsonrpc":"2.0","method":"notifications/x",,'),
      Buffer.from("x".repeat(100)),
    ];
    await bench.target().sayLarge(broken, 0);
    expect(failures(bench)).toEqual([]);
    bench.answer(resultMessage("a", {}));
    expect(bench.frames.at(-1)).toMatchObject({ value: { exchange: 1, final: true } });
  });
});
