import { eventually } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LiveState } from "../decisions/live-state.js";
import { type Answer, GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ModernClient, modernRequest } from "../fakes/modern-client.js";
import { LegTimes } from "./leg-times.js";

const jit = (access: string) => `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: destroying }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: jit, activation: approval, maxDuration: 1h, review: { from: [{ group: dba, count: 1 }], expiresIn: 15m }${access} }
  rules:
    - { name: destroying, tools: [destroy, "odd*"], effect: allow }
`;
const ASKS_BY_ITSELF = jit(", whenCalled: request");
const WANTS_A_REASON = jit(", whenCalled: request, reason: required");
const KNOWS_FORMS = { elicitation: { form: {} } };

let gateway: GatewayUnderTest;
let lastId = 0;

beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS_BY_ITSELF);
}, 120_000);
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await gateway.reset();
  await gateway.query("DELETE FROM access_request");
  await gateway.query("DELETE FROM access_grant");
  await gateway.get(LiveState).now();
  // Sessions end with the access they lived by: each test has its own.
  for (const { id } of await gateway.query<{ id: string }>("SELECT id FROM session WHERE closed_at IS NULL"))
    await gateway.api("DELETE", `sessions/${id}`);
});

interface Request {
  readonly id: string;
  readonly state: string;
  readonly tools: string[];
  readonly reason: string | null;
  readonly ticket: string | null;
}

const requests = () =>
  gateway.query<Request>("SELECT id, state, tools, reason, ticket FROM access_request ORDER BY id");

async function theRequest(): Promise<Request> {
  return eventually(async () => {
    const [request, other] = (await requests()).filter(({ state }) => state === "pending");
    expect([request, other]).toEqual([expect.anything(), undefined]);
    return request as Request;
  });
}

async function decide(id: string, verdict: "approve" | "deny", comment = "because"): Promise<void> {
  const { status, body } = await gateway.api(
    "POST",
    `access-requests/${id}/review`,
    { verdict, comment },
    "bob",
  );
  expect([status, body]).toEqual([200, expect.anything()]);
}

/** A call of 2025-11-25. */
async function call(session: string, name = "destroy", args: object = { n: 1 }): Promise<Answer> {
  const params = { name, arguments: args };
  return gateway.post("shop", { jsonrpc: "2.0", id: ++lastId, method: "tools/call", params }, { session });
}

const modern = () => new ModernClient(gateway, "shop");

function modernCall(params: object, capabilities: object = KNOWS_FORMS) {
  return modern().post(modernRequest(++lastId, "tools/call", { name: "destroy", ...params }, capabilities));
}

describe("a call that meets no grant", PATIENT, () => {
  test("is answered with how to ask, unless the policy says otherwise", async () => {
    await gateway.applyPolicy(jit(""));
    const { json } = await call(await gateway.openSession("shop"));
    expect(json.error).toMatchObject({
      code: -31016,
      message: expect.stringMatching(/needs access to shop .* Nothing has run/) as string,
      data: {
        target: "shop",
        policy: "destroying",
        command: 'drawbridge request shop --policy destroying --tools destroy --reason "..."',
      },
    });
    expect(await requests()).toEqual([]);
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  test("waits for the access that is asked for on its behalf, and runs then", async () => {
    const answering = call(await gateway.openSession("shop"));
    const request = await theRequest();
    expect(request).toMatchObject({ tools: ["destroy"], reason: "asked for by a call: tools/call destroy" });
    expect(gateway.links.reached("tools/call")).toEqual([]);
    await decide(request.id, "approve");
    const { json } = await answering;
    expect(json.result).toMatchObject({ content: [{ text: expect.stringContaining('"n":1') as string }] });
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
  });

  test("needs no second request once access was given", async () => {
    const session = await gateway.openSession("shop");
    const answering = call(session);
    await decide((await theRequest()).id, "approve");
    await answering;
    expect((await call(session, "destroy", { n: 2 })).json.result).toBeDefined();
    expect(await requests()).toHaveLength(1);
  });

  test("finds the request that waits for another call already", async () => {
    const session = await gateway.openSession("shop");
    const both = [call(session), call(session, "destroy", { n: 2 })];
    const request = await theRequest();
    await decide(request.id, "approve");
    for (const { json } of await Promise.all(both)) expect(json).toMatchObject({ result: {} });
    expect(await requests()).toHaveLength(1);
  });

  test("is told that access was denied, and by whom and why", async () => {
    const answering = call(await gateway.openSession("shop"));
    await decide((await theRequest()).id, "deny", "not today");
    const { json } = await answering;
    expect(json.error).toMatchObject({
      code: -31002,
      message: expect.stringMatching(/denied access to shop: not today/) as string,
    });
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  describe("for longer than its client waits", () => {
    beforeEach(() => Object.assign(gateway.get(LegTimes), { repeatMs: 300, requestStateMs: 300 }));
    afterEach(() => Object.assign(gateway.get(LegTimes), new LegTimes()));

    test("is told to call again, and hears how it was decided, once", async () => {
      const session = await gateway.openSession("shop");
      const { json } = await call(session);
      const { id } = await theRequest();
      expect(json.result).toMatchObject({
        isError: true,
        _meta: { "io.drawbridge/access-request": { id, state: "pending" } },
      });
      await decide(id, "deny", "not today");
      expect((await call(session)).json.error).toMatchObject({
        code: -31002,
        message: expect.stringMatching(/denied access to shop: not today/) as string,
      });
      expect((await call(session)).json.result).toMatchObject({ isError: true });
      expect((await requests()).map(({ state }) => state)).toEqual(["denied", "pending"]);
    });

    test("comes back by requestState for the same request, and runs", async () => {
      const first = await modernCall({ arguments: { n: 1 } }, {});
      const { id } = await theRequest();
      const { requestState } = first.json.result as { requestState: string };
      const second = await modernCall({ arguments: { n: 1 }, requestState }, {});
      const again = second.json.result as { resultType: string; requestState: string };
      expect(again.resultType).toBe("input_required");
      await decide(id, "approve");
      const third = await modernCall({ arguments: { n: 1 }, requestState: again.requestState }, {});
      expect(third.json.result).toMatchObject({
        content: [{ text: expect.stringContaining('"n":1') as string }],
      });
      expect(await requests()).toHaveLength(1);
    });

    test("runs once with the reason that was asked for, however often it comes back", async () => {
      await gateway.applyPolicy(WANTS_A_REASON);
      const first = await modernCall({ arguments: { n: 1 } });
      let { requestState } = first.json.result as { requestState: string };
      const inputResponses = { reason: { action: "accept", content: { reason: "order 4711" } } };
      const second = await modernCall({ arguments: { n: 1 }, requestState, inputResponses });
      expect(second.json.error).toBeUndefined();
      ({ requestState } = second.json.result as { requestState: string });
      await decide((await theRequest()).id, "approve");
      const third = await modernCall({ arguments: { n: 1 }, requestState });
      expect(third.json.result).toMatchObject({ content: [{ type: "text" }] });
      expect(gateway.links.reached("tools/call")).toHaveLength(1);
      expect((await requests()).map(({ reason }) => reason)).toEqual(["order 4711"]);
    });
  });

  test("of a tool whose name is a pattern is not asked for, since that would be for more", async () => {
    const { json } = await call(await gateway.openSession("shop"), "odd*");
    expect([json.error?.code, await requests()]).toEqual([-31016, []]);
  });

  test("that policies deny in any case is denied as ever", async () => {
    const { json } = await call(await gateway.openSession("shop"), "read");
    expect([json.error?.code, await requests()]).toEqual([-32602, []]);
  });
});

describe("where a reason is required", PATIENT, () => {
  beforeEach(() => gateway.applyPolicy(WANTS_A_REASON));

  async function asked(args: object = { n: 1 }) {
    const { json } = await modernCall({ arguments: args });
    expect(json.result).toMatchObject({ resultType: "input_required" });
    return json.result as { requestState: string; inputRequests: Record<string, unknown> };
  }

  test("a client that knows forms is asked, and its call waits with what it says", async () => {
    const { requestState, inputRequests } = await asked();
    expect(inputRequests).toEqual({
      reason: {
        method: "elicitation/create",
        params: {
          mode: "form",
          message: expect.stringContaining("shop") as string,
          requestedSchema: {
            type: "object",
            properties: {
              reason: expect.objectContaining({ type: "string" }) as object,
              ticket: expect.objectContaining({ type: "string" }) as object,
            },
            required: ["reason"],
          },
        },
      },
    });
    expect(await requests()).toEqual([]);
    const inputResponses = {
      reason: { action: "accept", content: { reason: "order 4711", ticket: "INC-7" } },
    };
    const answering = modernCall({ arguments: { n: 1 }, requestState, inputResponses });
    const request = await theRequest();
    expect(request).toMatchObject({ reason: "order 4711", ticket: "INC-7" });
    await decide(request.id, "approve");
    expect((await answering).json.result).toMatchObject({
      content: [{ text: expect.stringContaining('"n":1') as string }],
    });
    const [sent = ""] = gateway.links.reached("tools/call");
    expect(sent).not.toContain("requestState");
    expect(sent).not.toContain("inputResponses");
  });

  test("who does not say why is told how to ask", async () => {
    const { requestState } = await asked();
    const inputResponses = { reason: { action: "decline" } };
    const { json } = await modernCall({ arguments: { n: 1 }, requestState, inputResponses });
    expect([json.error?.code, await requests()]).toEqual([-31016, []]);
  });

  test("the reason is for the call that was asked about, and no other", async () => {
    const { requestState } = await asked();
    const inputResponses = { reason: { action: "accept", content: { reason: "x" } } };
    const { json } = await modernCall({ arguments: { n: 2 }, requestState, inputResponses });
    expect([json.error?.code, await requests()]).toEqual([-32602, []]);
  });

  test.each([
    ["of 2026-07-28 without forms", () => modernCall({ arguments: {} }, {})],
    ["of the 2025 revisions", async () => call(await gateway.openSession("shop"))],
  ])("a client %s is told how to ask", async (_, make) => {
    const { json } = await make();
    expect(json.error?.code).toBe(-31016);
    expect(json.error?.message).toContain("a reason is required");
    expect(await requests()).toEqual([]);
  });
});
