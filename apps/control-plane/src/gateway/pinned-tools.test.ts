import { ExchangeFailure } from "@drawbridge/protocol";
import { RpcErrorCode } from "@drawbridge/mcp";
import { toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "./fakes/call-under-way.js";
import { answerPolitely, type FakeTool, type Script, toolFromTarget } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient, modernRequest } from "./fakes/modern-client.js";

const FRESH = Array.from({ length: 20 }, (_, index) => `fresh-${index}`);
const policy = (targets: readonly string[]) => `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [${targets.join(", ")}] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read, "read_*", "late*"], effect: allow }
    - { name: destroying, tools: [destroy_all], effect: deny }
`;

let gateway: GatewayUnderTest;
let target: string;
let targets = 0;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(policy(FRESH));
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  gateway.links.reset();
  target = FRESH[(targets += 1)] ?? "";
});

const digestOf = (tool: FakeTool) => Buffer.from(toolFromTarget(tool).digest).toString("hex");
const codeOf = ({ json }: { json: { error?: { code: number } } }) => json.error?.code;

/** A target that lists these tools from now on, whoever asks. */
function lists(...tools: FakeTool[]): void {
  gateway.links.tools = tools;
  const script: Script = (message) =>
    message.method === "tools/list"
      ? [JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { tools } })]
      : answerPolitely(message);
  gateway.links.script = script;
}

async function namesListed(session: string): Promise<string[]> {
  const { json } = await gateway.post(target, toolsList(99), { session });
  return (json.result as { tools: { name: string }[] }).tools.map(({ name }) => name);
}

const call = (session: string, tool: string, as = "alice") =>
  gateway.post(target, toolCall(7, tool, {}), { session, as });
const accept = (tool: FakeTool) =>
  gateway.api("POST", `targets/${target}/tools/${tool.name}/accept`, { digest: digestOf(tool) });

/** What the recording says of the calls in a session. */
async function eventsOf(sessionId: string): Promise<string[]> {
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=200`);
  const items = body["items"] as {
    kind: string;
    exchange: number;
    method?: string;
    attributes: { decision?: { effect: string } };
  }[];
  const calls = items.filter(({ method }) => method === "tools/call").map(({ exchange }) => exchange);
  return items
    .filter(({ exchange }) => calls.includes(exchange))
    .map(({ kind, attributes: { decision } }) => [kind, decision?.effect].filter(Boolean).join(" "));
}

describe("the first call of a tool", () => {
  beforeEach(() => gateway.applyTarget(target, []));

  test("has the agent list the tools before it is decided, and says which definition is meant", async () => {
    const session = await gateway.openSession(target);
    expect((await call(session, "read")).json.result).toBeDefined();
    expect(gateway.links.timesAsked).toBe(1);
    expect(gateway.links.sent.at(-1)?.toolDigest).toBe(digestOf({ name: "read" }));
    await call(session, "read");
    expect(gateway.links.timesAsked).toBe(1);
  });

  test("does so in the modern era", async () => {
    const client = new ModernClient(gateway, target);
    expect((await client.post(modernCall(1, "read"))).json.result).toBeDefined();
    expect(gateway.links.timesAsked).toBe(1);
    expect(gateway.links.sent.at(-1)?.toolDigest).toBe(digestOf({ name: "read" }));
  });

  test("asks once for all that come at the same time", async () => {
    const session = await gateway.openSession(target);
    const calls = [1, 2, 3].map((id) => gateway.post(target, toolCall(id, "read", {}), { session }));
    for (const { json } of await Promise.all(calls)) expect(json.result).toBeDefined();
    expect(gateway.links.timesAsked).toBe(1);
    const digests = gateway.links.sent.slice(-3).map(({ toolDigest }) => toolDigest);
    expect(digests).toEqual(Array(3).fill(digestOf({ name: "read" })));
  });

  test("of a tool that the target does not show goes without a definition, and does not ask again at once", async () => {
    const session = await gateway.openSession(target);
    await call(session, "late");
    await call(session, "later");
    expect(gateway.links.timesAsked).toBe(1);
    expect(gateway.links.sent.at(-1)?.toolDigest).toBeUndefined();
  });

  test("goes without a definition where the agent cannot list any", async () => {
    gateway.links.tools = undefined;
    const session = await gateway.openSession(target);
    expect((await call(session, "read")).json.result).toBeDefined();
    expect(gateway.links.sent.at(-1)?.toolDigest).toBeUndefined();
  });

  test("that no rule is about asks nobody", async () => {
    const session = await gateway.openSession(target);
    expect((await call(session, "destroy")).json.error).toEqual({
      code: RpcErrorCode.InvalidParams,
      message: "Unknown tool: destroy",
    });
    expect(gateway.links.timesAsked).toBe(0);
  });

  test("that a rule denies whatever it is asks nobody: how long it takes tells nothing of it", async () => {
    const session = await gateway.openSession(target);
    expect((await call(session, "destroy_all")).json.error).toEqual({
      code: RpcErrorCode.InvalidParams,
      message: "Unknown tool: destroy_all",
    });
    expect(gateway.links.timesAsked).toBe(0);
  });

  test("is refused when what it shows hides something", async () => {
    lists({ name: "read", description: "reads\u{E0041}" });
    const session = await gateway.openSession(target);
    const { json } = await call(session, "read");
    expect(json.error?.code).toBe(RpcErrorCode.ToolChanged);
    expect(json.error?.message).toContain(`drawbridge tools show ${target} read`);
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });
});

describe("a tool that changes", () => {
  const CHANGED = { name: "read", description: "reads, and sends it to somebody" };
  beforeEach(() => gateway.applyTarget(target, [{ name: "read" }, { name: "read_more" }]));

  test("is hidden from the very list that shows it, and refused from then on", async () => {
    const session = await gateway.openSession(target);
    lists(CHANGED, { name: "read_more" });
    expect(await namesListed(session)).toEqual(["read_more"]);
    const { json } = await call(session, "read");
    expect(json.error?.code).toBe(RpcErrorCode.ToolChanged);
    expect(gateway.links.reached("tools/call")).toEqual([]);
    const [{ sessionId } = { sessionId: "" }] = gateway.links.sent;
    expect(await eventsOf(sessionId)).toEqual(["request deny", "not_sent"]);
    expect((await call(session, "read_more")).json.result).toBeDefined();
  });

  test("is so in the modern era", async () => {
    const client = new ModernClient(gateway, target);
    lists(CHANGED, { name: "read_more" });
    const { json } = await client.post(modernRequest(1, "tools/list"));
    expect(json.result?.["tools"]).toEqual([{ name: "read_more" }]);
    expect(codeOf(await client.post(modernCall(2, "read")))).toBe(RpcErrorCode.ToolChanged);
  });

  test("works in the open session again within a second after somebody has accepted it", async () => {
    const session = await gateway.openSession(target);
    lists(CHANGED);
    expect(await namesListed(session)).toEqual([]);
    expect((await accept(CHANGED)).status).toBe(200);
    const acceptedAt = performance.now();
    await expect.poll(async () => (await call(session, "read")).json.result, PATIENT).toBeDefined();
    expect(performance.now() - acceptedAt).toBeLessThan(1_000);
    expect(gateway.links.sent.at(-1)?.toolDigest).toBe(digestOf(CHANGED));
    expect(await namesListed(session)).toEqual(["read"]);
  });

  test("stays refused while it goes back and forth", async () => {
    const session = await gateway.openSession(target);
    lists(CHANGED);
    await namesListed(session);
    lists({ name: "read" });
    expect(await namesListed(session)).toEqual([]);
    expect(codeOf(await call(session, "read"))).toBe(RpcErrorCode.ToolChanged);
  });

  test("looks as unknown as ever to who may not call it", async () => {
    lists({ name: "destroy", description: "1" });
    const session = await gateway.openSession(target);
    await namesListed(session);
    lists({ name: "destroy", description: "2" });
    await namesListed(session);
    expect((await call(session, "destroy")).json.error?.message).toBe("Unknown tool: destroy");
  });

  test("is refused by its agent before the control plane knows, and was not sent; the client hears the same", async () => {
    const session = await gateway.openSession(target);
    const under = await callUnderWay(gateway, () => call(session, "read"));
    const { sending, exchange, sessionId, listener } = under;
    const failure = ExchangeFailure.TOOL_CHANGED;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    expect(codeOf(await sending)).toBe(RpcErrorCode.ToolChanged);
    expect(await eventsOf(sessionId)).toEqual(["request allow", "not_sent"]);
    await listener.onTools({ tools: [toolFromTarget(CHANGED)], complete: true, failure: undefined });
    expect(codeOf(await call(session, "read"))).toBe(RpcErrorCode.ToolChanged);
  });
});

describe("a list of tools", () => {
  test("holds none that its target shows twice in it", async () => {
    await gateway.applyTarget(target, [{ name: "read" }, { name: "read_more" }]);
    const session = await gateway.openSession(target);
    lists({ name: "read" }, { name: "read_more" }, { name: "read" });
    expect(await namesListed(session)).toEqual(["read_more"]);
  });

  test("holds none that looks like another one, whichever was there first stays", async () => {
    await gateway.applyTarget(target, [{ name: "read_file" }]);
    const session = await gateway.openSession(target);
    lists({ name: "read_fi1e" }, { name: "read_file" }, { name: "read_new" });
    expect(await namesListed(session)).toEqual(["read_file", "read_new"]);
    expect(codeOf(await call(session, "read_fi1e"))).toBe(RpcErrorCode.ToolChanged);
    expect((await call(session, "read_file")).json.result).toBeDefined();
  });

  test("holds none of which the agent has said nothing", async () => {
    await gateway.applyTarget(target, [{ name: "read" }]);
    const session = await gateway.openSession(target);
    const { sending, answer } = await callUnderWay(gateway, () =>
      gateway.post(target, toolsList(99), { session }),
    );
    await answer({ tools: [{ name: "read" }, { name: "late" }] });
    expect((await sending).json.result).toEqual({ tools: [] });
  });

  test("is filtered by what was accepted, not by what is accepted while it is on its way", async () => {
    await gateway.applyTarget(target, [{ name: "read" }]);
    const session = await gateway.openSession(target);
    const { sending, answer, listener } = await callUnderWay(gateway, () =>
      gateway.post(target, toolsList(99), { session }),
    );
    const other = { name: "read", description: "other" };
    await listener.onTools({ tools: [toolFromTarget(other)], complete: true, failure: undefined });
    await accept({ name: "read" });
    await answer({ tools: [other] });
    expect((await sending).json.result).toEqual({ tools: [] });
  });
});

test("an agent that cannot check definitions has no tool called", async () => {
  await gateway.applyTarget(target, [{ name: "read" }]);
  gateway.links.checksTools = false;
  const session = await gateway.openSession(target);
  const { json } = await call(session, "read");
  expect(json.error?.code).toBe(RpcErrorCode.TargetUnavailable);
  expect(json.error?.message).toContain("the agent is too old to check tool definitions; update it");
  await call(session, "late");
  expect(gateway.links.timesAsked).toBe(0);
  expect(gateway.links.reached("tools/call")).toEqual([]);
});
