import { readdirSync, readFileSync } from "node:fs";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  eventually,
  type JsonRpcObject,
  modern,
  notification,
  request,
  resultMessage,
  toolCall,
  withMeta,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import {
  cleanUpAfterEach,
  open,
  type OpenedTarget,
  ownServer,
  stdio,
  structured,
  testHost,
} from "./fakes/target-bench.js";

cleanUpAfterEach();

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

async function receivedBy(session: OpenedTarget, exchange: number): Promise<string[]> {
  const answer = await session.call(exchange, modern(toolCall(`received ${exchange}`, "received")));
  return structured<{ texts: string[] }>(answer).texts;
}

describe("a stdio target that several clients share", () => {
  test("answers each of them though they chose the same ids and tokens", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    for (const exchange of [7, 9])
      session.send(
        exchange,
        withMeta(modern(toolCall(1, "slow", { ms: 150 })), {
          ...(modern(toolCall(1, "slow")).params?.["_meta"] as object),
          progressToken: "t",
        }),
      );
    for (const exchange of [7, 9]) {
      expect(await session.response(exchange, 1)).toContain('"id":1,');
      const progress = session.messages(exchange).filter(({ method }) => method === "notifications/progress");
      expect(progress.length).toBeGreaterThan(0);
      expect(progress.every(({ params }) => params?.["progressToken"] === "t")).toBe(true);
    }
  });

  test.each(["1234567890123456789", '"\\u0061\\/b"', "-0"])(
    "gives the id %s back as it was written",
    async (id) => {
      const session = open(testHost(), stdio(["modern"]), "modern");
      const params = JSON.stringify(modern(toolCall(1, "echo", { n: 1 })).params);
      session.send(3, `{ "jsonrpc":"2.0", "id": ${id}, "method":"tools/call", "params":${params}}`);
      const { exchange, text } = await waitFor(() => session.listener.messages[0]);
      expect(exchange).toBe(3);
      expect(text).toContain(`"id":${id},`);
      expect(
        (await receivedBy(session, 4)).some((seen) => seen.includes('{ "jsonrpc":"2.0", "id": 3, "method"')),
      ).toBe(true);
    },
  );

  test("hears on its own subscription, under its own id", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    for (const exchange of [2, 3]) session.send(exchange, modern(request("listen", "subscriptions/listen")));
    await waitFor(() => session.messages(3)[0]);
    await session.call(4, modern(toolCall(4, "listChanged")));
    for (const exchange of [2, 3]) {
      const heard = await waitFor(() =>
        session.messages(exchange).length > 1 ? session.messages(exchange) : undefined,
      );
      expect(heard.map(({ method }) => method)).toEqual([
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
      ]);
      for (const { params } of heard) expect(params?.["_meta"]).toEqual({ [SUBSCRIPTION]: "listen" });
    }
  });

  test("is cancelled call by call", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    const calls = [5, 6].map((exchange) => ({
      exchange,
      message: modern(toolCall("same", "slow", { ms: 60_000 })),
    }));
    for (const { exchange, message } of calls) session.send(exchange, message);
    await eventually(
      async () =>
        (await receivedBy(session, 100 + session.listener.messages.length)).filter((text) =>
          text.includes("60000"),
        ).length === 2,
    );
    session.target.cancel(6, { id: { text: '"same"' }, method: "tools/call" }, "nobody waits");
    // A client's own notification could be about either call.
    session.send(0, notification("notifications/cancelled", { requestId: 5 }));
    const answer = await session.call(7, modern(toolCall(7, "cancellations")));
    expect(structured(answer)).toEqual({ ids: [6] });
  });

  test("says what belongs to nobody to nobody", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    await session.call(
      2,
      modern(toolCall(2, "notify", { method: "notifications/message", params: { level: "info", data: 1 } })),
    );
    expect(session.messages(undefined).map(({ method }) => method)).toEqual(["notifications/message"]);
  });

  test("is not believed about calls, tokens and subscriptions nobody has", async () => {
    const session = open(
      testHost(),
      ownServer(`
        import { createInterface } from "node:readline";
        const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
        createInterface({ input: process.stdin }).on("line", (line) => {
          const { id } = JSON.parse(line);
          say({ id: 77, result: {} });
          say({ id: "77", result: {} });
          say({ id: String(id), result: {} });
          say({ method: "notifications/progress", params: { progressToken: 77, progress: 1 } });
          say({ method: "notifications/progress", params: { progressToken: id, progress: 1 } });
          say({ method: "notifications/x", params: { _meta: { "${SUBSCRIPTION}": 77 } } });
          say({ id, result: {} });
          say({ id, result: { twice: true } });
        });
      `),
      "modern",
    );
    await session.call(2, modern(request("one", "prompts/list")));
    await session.call(3, modern(request("two", "prompts/list")));
    expect(session.listener.messages.map(({ text }) => (JSON.parse(text) as JsonRpcObject).id)).toEqual([
      "one",
      "two",
    ]);
  });

  test("gets answers to requests it should not have sent, so that it does not wait", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    session.send(2, modern(toolCall(2, "sample")));
    const asked = await waitFor(() => session.messages(undefined)[0]);
    session.send(0, resultMessage(asked.id ?? "", { said: "no" }));
    expect(await session.response(2, 2)).toContain('"said":"no"');
  });
});

describe("a large answer of a shared stdio target", () => {
  test("comes in pieces with the client's id, and says at its end whose it is", async () => {
    const session = open(testHost({ messageBytes: 100_000 }), stdio(["modern"]), "modern");
    const plain = {
      jsonrpc: "2.0",
      id: "mine",
      result: { resultType: "complete", content: [{ type: "text", text: "x".repeat(500_000) }] },
    };
    session.send(8, modern(toolCall("mine", "big", { bytes: 500_000 })));
    const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
    expect(large).toMatchObject({
      exchange: undefined,
      outcome: { ended: 8 },
      bytes: JSON.stringify(plain).length,
    });
    expect(large.text.startsWith('{"jsonrpc":"2.0","id":"mine","result":')).toBe(true);
    expect(await session.call(9, modern(toolCall(9, "echo", { a: 1 })))).toContain('"a":1');
  });
});

describe("a large answer that names its subscription", () => {
  const sharing = () =>
    ownServer(`
      import { createInterface } from "node:readline";
      createInterface({ input: process.stdin }).on("line", (line) => {
        const { id, method } = JSON.parse(line);
        const meta = { "${SUBSCRIPTION}": method === "vendor/other" ? id + 1 : id };
        const result = { _meta: meta, text: "x".repeat(200_000) };
        process.stdout.write(JSON.stringify({ jsonrpc: "2.0", result, id }) + "\\n");
      });
    `);

  test("says it as its client does", async () => {
    const session = open(testHost({ messageBytes: 100_000 }), sharing(), "modern");
    session.send(4, modern(request("mine", "subscriptions/listen")));
    const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
    expect(large.outcome).toEqual({ ended: 4 });
    expect(large.text).toContain(`"${SUBSCRIPTION}":"mine"`);
  });

  test("is refused when that is another's", async () => {
    const session = open(testHost({ messageBytes: 100_000 }), sharing(), "modern");
    session.send(4, modern(request("mine", "vendor/other")));
    expect(await session.failure(4)).toEqual({
      failure: ExchangeFailure.BAD_TARGET,
      reason: "the target's answer names another subscription than its own",
    });
    expect(session.listener.larges[0]?.outcome).toMatchObject({ aborted: expect.any(String) as string });
  });
});

describe("the end of a shared stdio target", () => {
  test("leaves no process behind", async () => {
    const session = open(testHost(), stdio(["modern"]), "modern");
    const { pid } = structured<{ pid: number }>(await session.call(2, modern(toolCall(2, "pid"))));
    await session.target.close();
    expect(readdirSync("/proc").includes(String(pid)) && readFileSync(`/proc/${pid}/stat`, "utf8")).toBe(
      false,
    );
  });
});
