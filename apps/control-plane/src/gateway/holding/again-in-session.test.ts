import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Approvals } from "../../approvals/index.js";
import { GatewayUnderTest } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";
import { ENGINEERS_READ } from "../fakes/policies.js";

const STRICTER = ASKS.replace("from: [{ group: dba, count: 1 }]", "from: [{ group: dba, count: 2 }]");

let gateway: GatewayUnderTest;
let held: HeldGateway;
let approvals: Approvals;
let repeatOf: Approvals["repeatOf"];
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  held = new HeldGateway(gateway);
  approvals = gateway.get(Approvals);
  repeatOf = approvals.repeatOf.bind(approvals);
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await gateway.reset();
  await gateway.applyPolicy(ASKS);
});
afterEach(async () => {
  approvals.repeatOf = repeatOf;
  await held.forget();
});

const reached = () => gateway.links.reached("tools/call");

function destroy(id: number, meta?: object) {
  const call = toolCall(id, "destroy", { n: 1 });
  return meta ? { ...call, params: { ...(call.params as object), _meta: meta } } : call;
}

/** A session in which the call may run again three times. */
async function approvedForSession(meta?: object): Promise<string> {
  held.hurry();
  const session = await gateway.openSession("shop");
  const answering = gateway.post("shop", destroy(2, meta), { session });
  await held.approve((await held.approval()).id, { sessionUses: 3 });
  await answering;
  expect(reached()).toHaveLength(1);
  held.hurry({ repeatMs: 300 });
  return session;
}

/** Something happens after the grant was found and before it is decided about the call again. */
function meanwhile(happens: () => Promise<unknown>): void {
  approvals.repeatOf = async (operation) => {
    const found = await repeatOf(operation);
    approvals.repeatOf = repeatOf;
    await happens();
    return found;
  };
}

const usesLeft = async () =>
  (await gateway.query<{ uses_left: number }>("select uses_left from access_grant"))[0]?.uses_left;

describe("a call that was approved for its session", () => {
  test("asks anew when its rule has come to ask for more people, and takes no use", async () => {
    const session = await approvedForSession();
    meanwhile(() => gateway.applyPolicy(STRICTER));
    const { json } = await gateway.post("shop", destroy(3), { session });
    expect(json.result).toMatchObject({ isError: true });
    expect([reached().length, await usesLeft()]).toEqual([1, 3]);
    const { body } = await gateway.api("GET", `approvals/${(await held.approval(2)).id}`, undefined, "bob");
    expect(JSON.stringify(body)).toContain('"count":2');
  });

  test("asks anew when the grant was revoked in that moment", async () => {
    const session = await approvedForSession();
    meanwhile(() => gateway.query("update access_grant set state = 'revoked', ended_at = now()"));
    const { json } = await gateway.post("shop", destroy(3), { session });
    expect(json.result).toMatchObject({ isError: true });
    expect([reached().length, await usesLeft()]).toEqual([1, 3]);
  });

  test("is refused when it was denied in that moment, and takes no use", async () => {
    const session = await approvedForSession();
    meanwhile(() => gateway.applyPolicy(ENGINEERS_READ));
    const { json } = await gateway.post("shop", destroy(3), { session });
    expect(json.error).toBeDefined();
    expect([reached().length, await usesLeft()]).toEqual([1, 3]);
  });

  test("runs when something else has changed in that moment", async () => {
    const session = await approvedForSession();
    meanwhile(() => gateway.applyPolicy(ASKS.replace("tools: [read]", "tools: [read, list]")));
    expect((await gateway.post("shop", destroy(3), { session })).json.result).toMatchObject({ n: 1 });
    expect([reached().length, await usesLeft()]).toEqual([2, 2]);
  });

  test("is another one when its _meta says something else to the target", async () => {
    const session = await approvedForSession({ "acme/dry-run": true });
    for (const meta of [undefined, { "acme/dry-run": false }]) {
      const { json } = await gateway.post("shop", destroy(3, meta), { session });
      expect(json.result).toMatchObject({ isError: true });
    }
    expect(reached()).toHaveLength(1);
    const same = destroy(5, { progressToken: "p", "acme/dry-run": true });
    expect((await gateway.post("shop", same, { session })).text).not.toContain("isError");
    expect(reached()).toHaveLength(2);
  });

  test("runs as often as was said, however many come at once", async () => {
    const session = await approvedForSession();
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => gateway.post("shop", destroy(100 + index), { session })),
    );
    expect([reached().length, await usesLeft()]).toEqual([4, 0]);
  });
});
