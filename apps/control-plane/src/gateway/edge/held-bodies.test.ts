import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerPolitely } from "../fakes/fake-agent-links.js";
import { GatewayUnderTest } from "../fakes/gateway-under-test.js";
import { HeldBodies } from "./held-bodies.js";

const KIB = 1024;
const COST_OF_PIECE = 256;
const POLICY = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering, dba] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read], effect: allow }
`;

let gateway: GatewayUnderTest;

beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  await gateway.applyTarget("shop");
  await gateway.applyPolicy(POLICY);
});
afterAll(() => gateway.stop());

test("all bodies together are bounded, those of one principal at half, and each counts once as long as it is held", () => {
  const bodies = new HeldBodies({ maxHeldBytes: 8 * KIB });
  const piece = new Uint8Array(KIB - COST_OF_PIECE);
  const first = bodies.of("alice");
  const second = bodies.of("alice");
  const [call, exchange] = [{}, {}];
  first.hold(call);
  second.hold(call);
  expect([1, 2, 3].map(() => first.add(piece))).toEqual([true, true, true]);
  expect([second.add(piece), second.add(piece)]).toEqual([true, false]);
  expect([1, 2, 3, 4, 5].map((number) => bodies.of(`p${number}`).add(piece))).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
  first.joined(3 * piece.length);
  first.hold(exchange);
  first.letGo(call);
  expect(second.add(piece)).toBe(false);
  first.letGo(exchange);
  first.letGo(exchange);
  second.letGo(call);
  const third = bodies.of("alice");
  expect([1, 2, 3, 4, 5].map(() => third.add(piece))).toEqual([true, true, true, true, false]);
});

test("what comes in the smallest pieces costs what it takes", () => {
  const body = new HeldBodies({ maxHeldBytes: 16 * KIB }).of("alice");
  let pieces = 0;
  while (pieces < 1_000 && body.add(new Uint8Array(1))) pieces += 1;
  expect(pieces).toBeLessThan(32);
});

test("a request for which there is no room is refused for now, and a body counts until its call is answered", async () => {
  const bodies = gateway.get(HeldBodies);
  const held = () => bodies["held"];
  const session = await gateway.openSession("shop");
  expect(held()).toBe(0);
  const answering = Promise.withResolvers<void>();
  gateway.links.script = () => [];
  const call = (id: number) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "read", arguments: { text: "x".repeat(8 * KIB) } },
  });
  const waiting = gateway.post("shop", call(1), { session });
  await expect.poll(() => gateway.links.sent.at(-1)?.text).toContain("tools/call");
  expect(held()).toBe(JSON.stringify(call(1)).length);
  const rest = bodies.of("somebody");
  rest.hold(answering);
  while (bodies["held"] + KIB < bodies["limit"] / 2) if (!rest.add(new Uint8Array(64 * KIB))) break;
  const others = bodies.of("others");
  others.hold(answering);
  while (others.add(new Uint8Array(64 * KIB)));
  while (others.add(new Uint8Array(KIB)));
  const refused = await gateway.post("shop", call(2), { session });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  rest.letGo(answering);
  others.letGo(answering);
  gateway.links.script = answerPolitely;
  const { exchange, sessionId } = gateway.links.sent.at(-1)!;
  const link = gateway.links.opened.findLast((opened) => opened.sessionId === sessionId);
  const payload = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{}}`);
  await link?.listener.onMessage({ exchange, payload, masked: {}, final: true });
  expect((await waiting).status).toBe(200);
  expect(held()).toBe(0);
  expect((await gateway.post("shop", call(2), { session })).status).toBe(200);
});

test("a body that breaks off is not held", async () => {
  const bodies = gateway.get(HeldBodies);
  const authorization = `Bearer ${await gateway.mcpToken("alice")}`;
  const posting = request(`${gateway.config.publicUrl}/mcp/shop`, {
    method: "POST",
    headers: {
      authorization,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    },
  });
  posting.on("error", () => undefined);
  posting.write("{".repeat(KIB));
  await expect.poll(() => bodies["held"]).toBe(KIB + COST_OF_PIECE);
  posting.destroy();
  await expect.poll(() => bodies["held"]).toBe(0);
});
