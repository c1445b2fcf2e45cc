import { cancelled, toolCall } from "@drawbridge/testing";
import { ExchangeFailure } from "@drawbridge/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "./fakes/call-under-way.js";
import { answerPolitely } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient, modernRequest } from "./fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "./fakes/policies.js";
import { StreamClients } from "./fakes/stream-client.js";

const LIMIT_REACHED = -31013;
const RESULT_BYTES = Buffer.byteLength(
  answerPolitely({ method: "tools/call", id: 9, params: { name: "read" } })[0]!,
);

let gateway: GatewayUnderTest;
let streams: StreamClients;
let rules = 0;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  streams = new StreamClients(gateway);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());
afterEach(() => streams.leave());

/** Applies a rule with these limits, under a name of its own, and so with counters of its own. */
async function limit(limits: string, others = ""): Promise<void> {
  rules += 1;
  const rule = `{ name: rule-${rules}, tools: [read, destroy], effect: allow, limits: ${limits} }`;
  const policy = ENGINEERS_READ.replace(/\{ name: reading.*\}/, rule).replace(
    "[engineering]",
    "[engineering, dba]",
  );
  await gateway.applyPolicy(`${policy}${others}`);
}

let lastId = 100;
const call = (session: string, name = "read", as = "alice") =>
  gateway.post("shop", toolCall(++lastId, name), { session, as });
const codeOf = ({ json }: Awaited<ReturnType<typeof call>>) => json.error?.code;

async function codes(calls: readonly Promise<Awaited<ReturnType<typeof call>>>[]) {
  return (await Promise.all(calls)).map(codeOf);
}

/** What the recording says of the calls, in order. */
async function recorded() {
  const { sessionId } = gateway.links.opened.at(-1)!;
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=200`);
  return body["items"] as {
    kind: string;
    exchange: number;
    decision: string | null;
    attributes: Record<string, unknown>;
  }[];
}

describe("a limit on calls", () => {
  test("refuses one too many with what to do, sends it to nobody, and says so in the recording", async () => {
    await limit("{ calls: 2/h }");
    const session = await gateway.openSession("shop");
    expect([await call(session), await call(session)].map(codeOf)).toEqual([undefined, undefined]);
    const { json, status } = await call(session);
    expect(status).toBe(200);
    expect(json.error).toEqual({
      code: LIMIT_REACHED,
      message: expect.stringMatching(
        /2 calls in one hour for each principal.*rule-\d+.*try again in \d+ s$/,
      ) as string,
      data: { retryAfterSeconds: expect.any(Number) as number },
    });
    expect(gateway.links.reached("tools/call")).toHaveLength(2);
    const last = (await recorded()).at(-1);
    expect(last).toMatchObject({
      kind: "not_sent",
      attributes: { decision: { effect: "deny", rule: `rule-${rules}` } },
    });
  });

  test("is exact for twenty calls at once", async () => {
    await limit("{ calls: 7/h }");
    const session = await gateway.openSession("shop");
    const answers = await codes(Array.from({ length: 20 }, () => call(session)));
    expect(answers.filter((code) => code === undefined)).toHaveLength(7);
    expect(answers.filter((code) => code === LIMIT_REACHED)).toHaveLength(13);
  });

  test("holds over two control planes, and over the application of the same policy", async () => {
    await limit("{ calls: 7/h }");
    const other = await gateway.beside();
    try {
      const session = await gateway.openSession("shop");
      const elsewhere = await other.openSession("shop");
      const post = () => other.post("shop", toolCall(++lastId, "read"), { session: elsewhere });
      const answers = await codes(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? call(session) : post())),
      );
      expect(answers.filter((code) => code === undefined)).toHaveLength(7);
    } finally {
      await other.stopControlPlane();
    }
    const session = await gateway.openSession("shop");
    rules -= 1;
    await limit("{ calls: 7/h }", "    - { name: another, tools: [other], effect: allow }\n");
    expect(codeOf(await call(session))).toBe(LIMIT_REACHED);
  });

  test("has room again in the next window", async () => {
    await limit("{ calls: 1/s }");
    const session = await gateway.openSession("shop");
    await call(session);
    await expect.poll(async () => codeOf(await call(session)), PATIENT).toBeUndefined();
  });

  test.each([
    ["principal", [undefined, LIMIT_REACHED, LIMIT_REACHED, undefined]],
    ["session", [undefined, LIMIT_REACHED, undefined, undefined]],
    ["target", [undefined, LIMIT_REACHED, LIMIT_REACHED, LIMIT_REACHED]],
    ["tool", [undefined, undefined, LIMIT_REACHED, LIMIT_REACHED]],
  ])("counts by %s", async (per, expected) => {
    await limit(`{ per: ${per}, calls: 1/h }`);
    const [first, second, others] = [
      await gateway.openSession("shop"),
      await gateway.openSession("shop"),
      await gateway.openSession("shop", "bob"),
    ];
    const answers = [
      await call(first),
      await call(first, "destroy"),
      await call(second),
      await call(others, "read", "bob"),
    ];
    expect(answers.map(codeOf)).toEqual(expected);
  });

  test("does not count what is not sent", async () => {
    await limit("{ calls: 1/h }");
    const session = await gateway.openSession("shop");
    gateway.links.online = false;
    expect(codeOf(await call(session))).toBe(-31005);
    gateway.links.online = true;
    expect([await call(session), await call(session)].map(codeOf)).toEqual([undefined, LIMIT_REACHED]);
  });

  test("does not count a notification that is not sent", async () => {
    rules += 1;
    const name = `note-${rules}`;
    const rule = `    - { name: ${name}, methods: [vendor/note], effect: allow, limits: { calls: 1/h } }\n`;
    await gateway.applyPolicy(`${ENGINEERS_READ}${rule}`);
    const session = await gateway.openSession("shop");
    const note = () => gateway.post("shop", { jsonrpc: "2.0", method: "vendor/note" }, { session });
    gateway.links.online = false;
    expect((await note()).status).not.toBe(202);
    gateway.links.online = true;
    expect([(await note()).status, (await note()).status]).toEqual([202, 200]);
  });

  test("does not count what the agent could not send", async () => {
    await limit("{ calls: 1/h }");
    const session = await gateway.openSession("shop");
    const { exchange, listener, sending } = await callUnderWay(gateway, () => call(session));
    const failure = ExchangeFailure.TARGET_UNAVAILABLE;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    expect(codeOf(await sending)).toBe(-31005);
    gateway.links.script = answerPolitely;
    expect([await call(session), await call(session)].map(codeOf)).toEqual([undefined, LIMIT_REACHED]);
  });

  test("holds for the resources that a client listens to as well", async () => {
    const listening = "{ name: listening, methods: [subscriptions/listen], effect: allow }";
    const resources =
      '{ name: watching, methods: [resources/subscribe], resources: ["file:///*"], effect: allow, limits: { calls: 1/h } }';
    await gateway.applyPolicy(withRule(withRule(ENGINEERS_READ, listening), resources));
    const client = new ModernClient(gateway, "shop");
    const listen = (id: number) =>
      client.post(
        modernRequest(id, "subscriptions/listen", {
          notifications: { resourceSubscriptions: ["file:///a", "file:///b"] },
        }),
      );
    expect([await listen(1), await listen(2)].map(codeOf)).toEqual([undefined, LIMIT_REACHED]);
  });

  test("counts what is denied for another reason no more than what is not asked", async () => {
    await limit("{ calls: 1/h }", "    - { name: never, tools: [destroy], effect: deny }\n");
    const session = await gateway.openSession("shop");
    expect([await call(session, "destroy"), await call(session)].map(codeOf)).toEqual([-32602, undefined]);
  });

  test("counts a retry with the client's input as a call", async () => {
    await limit("{ calls: 2/h }");
    const client = new ModernClient(gateway, "shop");
    const retry = modernCall(2, "read");
    const input = { ...retry, params: { ...retry.params, inputResponses: {}, requestState: "s" } };
    const answers = [
      await client.post(modernCall(1, "read")),
      await client.post(input),
      await client.post(input),
    ];
    expect(answers.map(codeOf)).toEqual([undefined, undefined, LIMIT_REACHED]);
  });

  test("that nobody can ask lets nothing through", async () => {
    await limit("{ calls: 5/h }");
    const session = await gateway.openSession("shop");
    await gateway.query("alter table limit_usage rename to limit_usage_away");
    try {
      const { status, json } = await call(session);
      expect([status, json.error?.message]).toEqual([
        503,
        expect.stringMatching(/could not be asked, so it was not sent/),
      ]);
      expect(gateway.links.reached("tools/call")).toEqual([]);
    } finally {
      await gateway.query("alter table limit_usage_away rename to limit_usage");
    }
    expect(codeOf(await call(session))).toBeUndefined();
  });

  test("costs rules without one nothing", async () => {
    await gateway.query("alter table limit_usage rename to limit_usage_away");
    const session = await gateway.openSession("shop");
    expect(codeOf(await call(session))).toBeUndefined();
    await gateway.query("alter table limit_usage_away rename to limit_usage");
  });
});

test("what a target asks of its client is limited as well", async () => {
  const asking =
    "{ name: sampling, methods: [sampling/createMessage], effect: allow, limits: { calls: 2/h } }";
  await gateway.applyPolicy(withRule(ENGINEERS_READ, asking));
  const session = await gateway.openSession("shop");
  // Only with a call: what it is told of its question would make it ask again, and again.
  gateway.links.script = (message) =>
    message.method === "tools/call" ? [question(message.id), ...answerPolitely(message)] : [];
  const answers = [await call(session), await call(session), await call(session)];
  expect(answers.map(({ text }) => text.includes("sampling"))).toEqual([true, true, false]);
  expect(gateway.links.sent.at(-1)?.text).toMatch(/"error":\{"code":-32601/);
  const refused = (await recorded()).findLast(({ kind }) => kind === "server_request");
  expect(refused?.attributes["decision"]).toMatchObject({ effect: "deny", rule: "sampling" });
});

function question(id: unknown): string {
  return `{"jsonrpc":"2.0","id":"q${String(id)}","method":"sampling/createMessage","params":{"messages":[]}}`;
}

describe("a limit on calls at the same time", () => {
  const underWay = (session: string) => callUnderWay(gateway, () => call(session));

  test("refuses one too many, and lets the next one through as soon as one is answered", async () => {
    await limit("{ concurrent: 2 }");
    const session = await gateway.openSession("shop");
    const [first] = [await underWay(session), await underWay(session)];
    const refused = await call(session);
    expect(refused.json.error?.message).toMatch(/2 calls at the same time.*wait for one to end/);
    await first.answer();
    await first.sending;
    const next = await underWay(session);
    expect(codeOf(await call(session))).toBe(LIMIT_REACHED);
    await next.answer();
  });

  test("is never in the way of somebody who asks one after the other", async () => {
    await limit("{ concurrent: 1 }");
    const session = await gateway.openSession("shop");
    for (let count = 0; count < 20; count += 1) expect(codeOf(await call(session))).toBeUndefined();
  });

  test("counts over two control planes", async () => {
    await limit("{ concurrent: 1 }");
    const other = await gateway.beside();
    try {
      await underWay(await gateway.openSession("shop"));
      const session = await other.openSession("shop");
      expect(codeOf(await other.post("shop", toolCall(1, "read"), { session }))).toBe(LIMIT_REACHED);
    } finally {
      await other.stopControlPlane();
    }
  });

  test("gives the place back when the agent says that the call failed", async () => {
    await limit("{ concurrent: 1 }");
    const session = await gateway.openSession("shop");
    const { exchange, listener, sending } = await underWay(session);
    const failure = ExchangeFailure.OUTCOME_UNKNOWN;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    await sending;
    gateway.links.script = answerPolitely;
    expect(codeOf(await call(session))).toBeUndefined();
  });

  test("keeps the place of a call that is cancelled until it is over", async () => {
    await limit("{ concurrent: 1 }");
    const session = await gateway.openSession("shop");
    const { exchange, listener } = await underWay(session);
    await gateway.post("shop", cancelled(lastId), { session });
    gateway.links.script = answerPolitely;
    expect(codeOf(await call(session))).toBe(LIMIT_REACHED);
    const failure = ExchangeFailure.OUTCOME_UNKNOWN;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    await expect.poll(async () => codeOf(await call(session)), PATIENT).toBeUndefined();
  });

  test("gives the places back of a session that ends", async () => {
    await limit("{ concurrent: 1 }");
    const { sessionId, sending } = await underWay(await gateway.openSession("shop"));
    await gateway.api("DELETE", `sessions/${sessionId}`);
    await sending;
    gateway.links.script = answerPolitely;
    const session = await gateway.openSession("shop");
    await expect.poll(async () => codeOf(await call(session)), PATIENT).toBeUndefined();
  });

  test("gives the place back of a client that was killed, when its call is over at the agent", async () => {
    await limit("{ concurrent: 1 }");
    const client = new ModernClient(gateway, "shop");
    const leaving = new AbortController();
    const { exchange, listener } = await callUnderWay(gateway, () =>
      client.open(modernCall(1, "read"), { signal: leaving.signal }),
    );
    leaving.abort();
    await expect.poll(() => gateway.links.cancelled, PATIENT).toContain(exchange);
    const failure = ExchangeFailure.OUTCOME_UNKNOWN;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    gateway.links.script = answerPolitely;
    await expect.poll(async () => codeOf(await client.post(modernCall(2, "read"))), PATIENT).toBeUndefined();
  });
});

describe("a limit on the bytes of results", () => {
  test("withholds a result that goes over it, and lets nothing run when all of it is used", async () => {
    await limit(`{ resultBytes: ${RESULT_BYTES + 50}B/h }`);
    const session = await gateway.openSession("shop");
    expect(codeOf(await call(session))).toBeUndefined();
    const withheld = await call(session);
    expect(withheld.json.error).toMatchObject({
      code: LIMIT_REACHED,
      message: expect.stringMatching(
        /^the request ran, but its result is withheld: the limit of \d+ bytes/,
      ) as string,
    });
    expect(withheld.text).not.toContain("content");
    const last = (await recorded()).at(-1);
    expect(last).toMatchObject({ kind: "response", attributes: { failure: LIMIT_REACHED } });
  });

  test("lets nothing run when all of it is used", async () => {
    await limit("{ resultBytes: 1KiB/h }");
    const session = await gateway.openSession("shop");
    await gateway.query("delete from limit_usage");
    await call(session);
    await gateway.query("update limit_usage set used = 1024");
    expect(codeOf(await call(session))).toBe(LIMIT_REACHED);
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
  });

  test("counts large results, which are not kept whole, as well", async () => {
    await limit("{ resultBytes: 1MiB/h }");
    const session = await gateway.openSession("shop");
    const large = async (bytes: number) => {
      const { sending, exchange, listener } = await callUnderWay(gateway, () => call(session));
      const id = lastId;
      const text = `{"jsonrpc":"2.0","id":${id},"result":{"text":"${"x".repeat(bytes)}"}}`;
      const end = { exchange, masked: {} };
      await listener.onChunk({ transfer: id, payload: Buffer.from(text), aborted: false, end });
      return sending;
    };
    expect(codeOf(await large(800 * 1024))).toBeUndefined();
    const withheld = await large(800 * 1024);
    expect(codeOf(withheld)).toBe(LIMIT_REACHED);
    expect(withheld.text.length).toBeLessThan(1_000);
  });
});
