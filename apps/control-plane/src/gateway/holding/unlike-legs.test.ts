import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Authorization } from "../traffic/authorization.js";
import { GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";

let gateway: GatewayUnderTest;
let held: HeldGateway;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  held = new HeldGateway(gateway);
});
afterAll(() => gateway?.stop());
beforeEach(() => gateway.reset());
afterEach(() => held.forget());

const reached = () => gateway.links.reached("tools/call");

function destroy(id: number, meta?: object) {
  const call = toolCall(id, "destroy", { n: 1 });
  return meta ? { ...call, params: { ...(call.params as object), _meta: meta } } : call;
}

test("what runs is what was sealed, and the recording has it where it ran", async () => {
  held.hurry({ repeatMs: 300 });
  const session = await gateway.openSession("shop");
  await gateway.post("shop", destroy(2, { "acme/mode": "as-approved" }), { session });
  const { id } = await held.approval();
  await held.approve(id);
  const later = destroy(3, { "acme/mode": "smuggled", "io.modelcontextprotocol/related-task": {} });
  expect((await gateway.post("shop", later, { session })).json.result).toBeDefined();
  expect(reached()).toHaveLength(1);
  expect(reached()[0]).toContain('"acme/mode":"as-approved"');
  expect(reached()[0]).not.toMatch(/smuggled|related-task/);
  const { exchange, session_id: recording } = await held.approval();
  const { body } = await gateway.api("GET", `recordings/${recording}/events?limit=200`);
  const told = (body["items"] as { exchange: number; kind: string }[]).filter(
    (event) => event.exchange === Number(exchange) && event.kind === "decision",
  );
  expect(JSON.stringify(told)).toContain("as-approved");
});

test("a call that is cancelled while it is decided about is held for nobody", async () => {
  held.hurry();
  const session = await gateway.openSession("shop");
  const authorization = gateway.get(Authorization);
  const decide = authorization.decideAndRecord.bind(authorization);
  authorization.decideAndRecord = async (...about) => {
    const decided = await decide(...about);
    authorization.decideAndRecord = decide;
    const params = { requestId: 2, reason: "no" };
    await gateway.post("shop", { jsonrpc: "2.0", method: "notifications/cancelled", params }, { session });
    return decided;
  };
  await gateway.post("shop", destroy(2), { session });
  await expect
    .poll(async () => (await held.approvals()).map(({ state }) => state), PATIENT)
    .toEqual(["cancelled"]);
  expect(reached()).toEqual([]);
});
