import { toolDigest } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import { errorMessage, initialize, notification, ping, resultMessage, toolCall } from "@drawbridge/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { OutgoingMessage } from "../targets/target.js";
import { type SessionBench, sessionBench } from "../fakes/session-bench.js";

const ECHO = { name: "echo", description: "does something", inputSchema: {} };
const OTHER = { ...ECHO, description: "does something else" };
const ACCEPTED = Buffer.from(toolDigest(Buffer.from(JSON.stringify(ECHO))));

/** What may happen next. The client's messages are numbered as they are sent. */
const step = fc.constantFrom(
  "call",
  "unknown call",
  "request",
  "notification",
  "initialize",
  "cancel",
  "answer",
  "answer another",
  "answer a page",
  "answer with an error",
  "fail",
  "session gone",
  "change",
  "break the stream",
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

class Run {
  readonly bench: SessionBench = sessionBench();
  /** Exchanges of the client's requests, in the order in which they were sent. */
  readonly requests: number[] = [];
  #answered = 0;

  constructor() {
    this.bench.send(0, notification("notifications/first"));
    this.bench.target().tools = undefined;
    this.bench.target().sent.length = 0;
  }

  take(each: Step): void {
    const { bench } = this;
    if (each === "call" || each === "unknown call" || each === "request" || each === "initialize")
      this.#request(each);
    else if (each === "notification")
      bench.send(0, notification("notifications/x", { after: this.requests.length }));
    else if (each === "cancel") this.#cancel();
    else if (each === "change") bench.answer(notification("notifications/tools/list_changed"));
    else if (each === "break the stream") {
      bench.session.disconnect();
      bench.connect();
    } else this.#answer(each);
  }

  /** Whatever the agent has asked is answered. */
  end(): void {
    while (this.#hasQuestion) this.#answer("answer");
  }

  get #hasQuestion(): boolean {
    return this.#answered < this.bench.target().asked.length;
  }

  #request(what: "call" | "unknown call" | "request" | "initialize"): void {
    const exchange = this.requests.push(this.requests.length + 1);
    if (what === "request") this.bench.send(exchange, ping(exchange));
    else if (what === "initialize") this.bench.send(exchange, initialize(exchange));
    else
      this.bench.send(exchange, toolCall(exchange, "echo"), {
        toolDigest: what === "call" ? ACCEPTED : Buffer.alloc(0),
      });
  }

  #cancel(): void {
    const exchange = this.requests.at(-2) ?? this.requests.at(-1);
    if (exchange)
      this.bench.session.receive({ $case: "cancelExchange", value: { exchange, reason: "gone" } });
  }

  #answer(how: Step): void {
    if (!this.#hasQuestion) return;
    const { bench } = this;
    const target = bench.target();
    const id = JSON.parse(target.askedId) as string;
    const exchange = target.asked.at(-1)?.exchange ?? 0;
    this.#answered = target.asked.length;
    if (how === "answer") bench.answer(resultMessage(id, { tools: [ECHO] }));
    else if (how === "answer another") bench.answer(resultMessage(id, { tools: [OTHER] }));
    else if (how === "answer a page")
      bench.answer(resultMessage(id, { tools: [], nextCursor: String(this.#answered) }));
    else if (how === "answer with an error") bench.answer(errorMessage(id, -32603, "no"));
    else {
      const failure = how === "fail" ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.SESSION_GONE;
      target.listener.exchangeFailed(exchange, failure, "down");
    }
  }
}

test("each message of a legacy session goes out once, in order, or is refused once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const run = new Run();
      for (const each of steps) run.take(each);
      run.end();
      const { bench, requests } = run;
      const sent = bench.target().sent.flatMap(({ exchange }) => (exchange === 0 ? [] : [exchange]));
      const refused = bench.frames.flatMap((frame) =>
        frame.$case === "exchangeFailed" && !bench.target().cancelled.includes(frame.value.exchange)
          ? [frame.value.exchange]
          : [],
      );
      // After a broken stream what ended an exchange is said again.
      expect([...sent, ...new Set(refused)].toSorted((a, b) => a - b)).toEqual(requests);
      const notifications = bench.target().sent.filter(({ parsed }) => parsed.kind === "notification");
      expect(notifications).toHaveLength(steps.filter((each) => each === "notification").length);
      const order = bench.target().sent.map(placeOf);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }),
    { numRuns: 500 },
  );
});

/** A notification says after which request it was sent. */
function placeOf({ exchange, parsed }: OutgoingMessage): number {
  if (exchange !== 0) return exchange;
  const { params } = JSON.parse(Buffer.from(parsed.bytes).toString()) as { params: { after: number } };
  return params.after;
}
