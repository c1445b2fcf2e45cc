import { ExchangeFailure } from "@drawbridge/protocol";
import {
  encodeMessage,
  errorMessage,
  initialize,
  type JsonRpcObject,
  modern,
  notification,
  request,
  resultMessage,
  toolCall,
  toolsList,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { type SessionBench, sessionBench, settled } from "../fakes/session-bench.js";
import { TargetRefusedError } from "../targets/target-refused-error.js";

const MODERN = ["2026-07-28"];
const LEGACY = ["2025-11-25", "2025-06-18"];
const BOTH = [...MODERN, ...LEGACY];

function failures({ frames }: SessionBench): object[] {
  return frames.flatMap((frame) => (frame.$case === "exchangeFailed" ? [frame.value] : []));
}

function cases({ frames }: SessionBench): string[] {
  return frames.map(({ $case }) => $case);
}

describe("a session", () => {
  test("masks why a call failed, and bounds it: a target has a say in what its parts are called", async () => {
    const token = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;
    const bench = sessionBench({ era: "modern", versions: MODERN });
    bench.send(1, toolCall(1, "echo"));
    const reason = `header Mcp-Param-${token} is missing ${"x".repeat(100_000)}`;
    bench.target().listener.exchangeFailed(1, ExchangeFailure.HEADER_MISMATCH, reason);
    expect(failures(bench)).toHaveLength(1);
    const said = JSON.stringify(bench.frames);
    expect(said).toContain("header Mcp-Param-");
    expect(said).not.toContain(token.slice(0, 12));
    expect(said.length).toBeLessThan(2_000);
  });

  test("survives whatever goes wrong when its target is started", () => {
    const bench = sessionBench({
      openTarget: () => {
        throw new TypeError("a defect");
      },
    });
    bench.send(1, initialize(1));
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.TARGET_UNAVAILABLE }]);
    expect(JSON.stringify(bench.frames)).not.toContain("a defect");
  });
});

describe("a message of the other era", () => {
  const send = ({ session }: SessionBench, exchange: number, message: JsonRpcObject) => {
    const payload = Buffer.from(encodeMessage(message));
    const value = {
      exchange,
      payload,
      protocolVersion: "",
      parameterHeaders: {},
      toolDigest: Buffer.alloc(0),
    };
    session.receive({ $case: "message", value });
  };

  test("does not reach the target of a legacy session", () => {
    const bench = sessionBench();
    send(bench, 1, modern(toolCall(1, "echo")));
    send(bench, 0, modern(notification("notifications/x")));
    expect(bench.targets).toEqual([]);
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.NOT_SENT }]);
    send(bench, 2, toolCall(1, "echo"));
    expect(bench.target().sent.map(({ exchange }) => exchange)).toEqual([2]);
  });

  test("does not reach the target of a modern session", () => {
    const bench = sessionBench({ era: "modern", versions: MODERN });
    for (const message of [toolCall(1, "echo"), initialize(1)]) send(bench, 1, message);
    expect(bench.targets).toEqual([]);
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: ExchangeFailure.NOT_SENT },
      { exchange: 1, failure: ExchangeFailure.NOT_SENT },
    ]);
    send(bench, 0, notification("notifications/x"));
    send(bench, 0, resultMessage(1, {}));
    send(bench, 2, modern(toolCall(1, "echo")));
    expect(bench.target().sent.map(({ exchange }) => exchange)).toEqual([0, 0, 2]);
  });
});

describe("a modern session", () => {
  test("sends nothing before the target is known to speak its era, then all in order", async () => {
    const bench = sessionBench({ era: "modern" });
    bench.send(1, toolCall("a", "echo"));
    bench.send(2, toolCall("b", "echo"), { parameterHeaders: { "mcp-param-region": "eu" } });
    bench.send(0, notification("notifications/vendor"));
    expect(bench.targets).toEqual([]);
    await bench.revisions.answer(BOTH);
    expect(bench.target().sent.map(({ exchange }) => exchange)).toEqual([1, 2, 0]);
    expect(bench.target().sent[1]?.parameterHeaders).toEqual({ "mcp-param-region": "eu" });
    bench.send(3, toolCall("c", "echo"));
    expect(bench.target().sent).toHaveLength(4);
    expect(bench.revisions.asked).toBe(1);
    expect(bench.frames).toEqual([{ $case: "targetVersions", value: { versions: BOTH } }]);
  });

  test("asks nobody when it is known already", () => {
    const bench = sessionBench({ era: "modern", versions: MODERN });
    bench.send(1, toolCall("a", "echo"));
    expect(bench.target().sentIds).toEqual(['"a"']);
    expect([bench.revisions.asked, bench.frames]).toEqual([0, []]);
  });

  test("refuses every request to a target that does not speak it, and says what it speaks", async () => {
    const bench = sessionBench({ era: "modern" });
    bench.send(1, toolCall("a", "echo"));
    bench.send(2, toolCall("b", "echo"));
    await bench.revisions.answer(LEGACY);
    expect(bench.targets).toEqual([]);
    const refusal = { failure: ExchangeFailure.ERA_NOT_SPOKEN, message: "", supportedVersions: LEGACY };
    expect(failures(bench)).toEqual([
      { exchange: 1, ...refusal },
      { exchange: 2, ...refusal },
    ]);
    bench.revisions.cached = LEGACY;
    bench.send(3, toolCall("c", "echo"));
    expect(failures(bench)[2]).toEqual({ exchange: 3, ...refusal });
  });

  test("takes up a target that has learned its era since", async () => {
    const bench = sessionBench({ era: "modern", versions: LEGACY });
    bench.send(1, toolCall("a", "echo"));
    bench.revisions.cached = BOTH;
    bench.send(2, toolCall("b", "echo"));
    expect(bench.target().sentIds).toEqual(['"b"']);
  });

  test("says why nothing could be found out", async () => {
    const bench = sessionBench({ era: "modern" });
    bench.send(1, toolCall("a", "echo"));
    await bench.revisions.answer(new TargetRefusedError("NOT_ALLOWED_HERE", "not on the list"));
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: ExchangeFailure.NOT_ALLOWED_HERE, message: "not on the list" },
    ]);
  });

  test("never sends what was cancelled while it waited", async () => {
    const bench = sessionBench({ era: "modern" });
    bench.send(1, toolCall("a", "echo"));
    bench.send(2, toolCall("b", "echo"));
    bench.session.receive({ $case: "cancelExchange", value: { exchange: 1, reason: "gone" } });
    expect(failures(bench)).toMatchObject([{ exchange: 1, failure: ExchangeFailure.NOT_SENT }]);
    await bench.revisions.answer(MODERN);
    expect(bench.target().sentIds).toEqual(['"b"']);
    expect(bench.target().cancelled).toEqual([]);
  });

  test("lets only so much wait", async () => {
    const bench = sessionBench({ era: "modern", bufferedBytes: 1_000 });
    bench.send(1, toolCall("large", "echo", { text: "x".repeat(2_000) }));
    bench.send(2, toolCall("b", "echo"));
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: ExchangeFailure.NOT_SENT }]);
    await bench.revisions.answer(MODERN);
    expect(bench.target().sentIds).toEqual(['"large"']);
  });

  test("sends nothing when it ended while the target was asked", async () => {
    const bench = sessionBench({ era: "modern" });
    bench.send(1, toolCall("a", "echo"));
    await bench.session.end("revoked");
    await bench.revisions.answer(MODERN);
    expect(bench.targets).toEqual([]);
    expect(cases(bench)).toEqual(["exchangeFailed", "targetEnded"]);
  });

  test("carries two calls with one id, each to its own end", () => {
    const bench = sessionBench({ era: "modern", versions: MODERN });
    bench.send(1, toolCall("same", "echo"));
    bench.send(2, toolCall("same", "echo"));
    bench.answer(resultMessage("same", { n: 2 }), 2);
    bench.answer(resultMessage("same", { n: 1 }), 1);
    bench.answer(resultMessage("same", { n: 3 }), 1);
    expect(
      bench.frames.map((frame) => frame.$case === "message" && [frame.value.exchange, frame.value.final]),
    ).toEqual([
      [2, true],
      [1, true],
    ]);
  });

  test("drops changes that nobody subscribed to, without a fuss", () => {
    const bench = sessionBench({ era: "modern", versions: MODERN });
    bench.send(1, request("a", "subscriptions/listen", { notifications: {} }));
    bench.answer(notification("notifications/tools/list_changed"));
    expect(bench.frames).toEqual([]);
    bench.answer(notification("notifications/tools/list_changed"), 1);
    expect(bench.frames).toMatchObject([{ $case: "message", value: { exchange: 1, final: false } }]);
    expect(bench.logs.filter((line) => line.includes("warn"))).toEqual([]);
  });
});

describe("a legacy session", () => {
  test("asks nobody what the target speaks while all goes well", () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(resultMessage(1, {}));
    bench.send(2, toolCall(2, "echo"));
    bench.answer(errorMessage(2, -32602, "unknown tool"));
    expect([bench.revisions.asked, cases(bench)]).toEqual([0, ["message", "message"]]);
  });

  test("says that the target speaks another era when that is why initialize failed", async () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(errorMessage(1, -32601, "method not found"));
    expect(bench.frames).toEqual([]);
    await bench.revisions.answer(MODERN);
    expect(cases(bench)).toEqual(["targetVersions", "exchangeFailed"]);
    expect(failures(bench)).toMatchObject([
      { exchange: 1, failure: ExchangeFailure.ERA_NOT_SPOKEN, supportedVersions: MODERN },
    ]);
  });

  test.each([
    ["the target speaks a legacy revision", BOTH],
    ["nothing is known of the target", []],
    ["it cannot be found out", new Error("unreachable")],
  ])("passes the error of initialize on where %s", async (_name, versions) => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(errorMessage(1, -32603, "no database"));
    await bench.revisions.answer(versions);
    const last = bench.frames.at(-1);
    expect(last).toMatchObject({ $case: "message", value: { exchange: 1, final: true } });
    expect(failures(bench)).toEqual([]);
  });

  test("passes a target's own word about its revisions on at once", () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(errorMessage(1, -32022, "unsupported protocol version"));
    expect([bench.revisions.asked, cases(bench)]).toEqual([0, ["message"]]);
  });

  test("says so too when the target left over it, before it says that the target is gone", async () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.target().listener.ended({ reason: "exited with code 1", neverWorked: true });
    expect([bench.frames, bench.ends]).toEqual([[], []]);
    await bench.revisions.answer(MODERN);
    expect(cases(bench)).toEqual(["targetVersions", "exchangeFailed", "targetEnded"]);
    expect(failures(bench)).toMatchObject([{ failure: ExchangeFailure.ERA_NOT_SPOKEN }]);
    expect(bench.ends).toEqual(["exited with code 1"]);
  });

  test("keeps to what happened when the target left for another reason", async () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.target().listener.ended({ reason: "exited with code 1", neverWorked: true });
    bench.send(2, toolCall(2, "echo"));
    expect(failures(bench)).toMatchObject([{ exchange: 2, failure: ExchangeFailure.NOT_SENT }]);
    await bench.revisions.answer(new TargetRefusedError("TARGET_UNAVAILABLE", "still down"));
    expect(failures(bench)[1]).toMatchObject({
      exchange: 1,
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: "exited with code 1",
    });
    expect(bench.ends).toEqual(["exited with code 1"]);
  });

  test("asks once, whatever else goes wrong with initialize meanwhile", async () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    const { listener } = bench.target();
    bench.answer(errorMessage(1, -32601, "method not found"));
    expect(listener.isWaiting(1)).toBe(false);
    listener.exchangeFailed(1, ExchangeFailure.BAD_TARGET, "no response");
    listener.ended({ reason: "exited", neverWorked: false });
    await bench.revisions.answer(MODERN);
    expect(bench.revisions.asked).toBe(1);
    expect(failures(bench)).toHaveLength(1);
    expect(bench.ends).toEqual(["exited"]);
  });

  test("forgets the question when the session ends before the answer", async () => {
    const bench = sessionBench();
    bench.send(1, initialize(1));
    bench.answer(errorMessage(1, -32601, "method not found"));
    await bench.session.end("closed");
    await bench.revisions.answer(MODERN);
    expect(failures(bench)).toMatchObject([{ failure: ExchangeFailure.OUTCOME_UNKNOWN }]);
    expect(cases(bench)).toEqual(["exchangeFailed", "targetEnded"]);
  });

  test("has its list changes, though no call they belong to", async () => {
    const bench = sessionBench();
    bench.send(1, toolsList(1));
    bench.answer(notification("notifications/tools/list_changed"));
    await settled();
    expect(bench.frames).toMatchObject([{ value: { exchange: 0 } }]);
  });
});
