import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ToolPins } from "../../tools/index.js";
import { TOOLS, toolFromTarget } from "../fakes/fake-agent-links.js";
import { type Answer, GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";
import { modernCall, ModernClient } from "../fakes/modern-client.js";
import { ENGINEERS_READ } from "../fakes/policies.js";

const STRICTER = ASKS.replace("from: [{ group: dba, count: 1 }]", "from: [{ group: dba, count: 2 }]");
const DENIES = ENGINEERS_READ;
const UNRELATED = ASKS.replace("tools: [read]", "tools: [read, list]");
const ON_REQUEST = ASKS.replace(
  "access: { mode: standing }",
  "access: { mode: jit, activation: approval, maxDuration: 4h, review: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }",
);

let gateway: GatewayUnderTest;
let held: HeldGateway;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  held = new HeldGateway(gateway);
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await gateway.reset();
  held.hurry({ repeatMs: 300 });
});
afterEach(async () => {
  await gateway.query("update lock set released_at = now(), released_by = 'test' where released_at is null");
  await held.forget();
});

const destroy = (id: number, args: Record<string, unknown> = { n: 1 }) => toolCall(id, "destroy", args);
const reached = () => gateway.links.reached("tools/call");

/** A call that was approved after its leg had ended: the repeat is what runs it. */
async function approvedBetweenLegs() {
  const session = await gateway.openSession("shop");
  await gateway.post("shop", destroy(2), { session });
  const { id } = await held.approval();
  await held.approve(id);
  held.hurry();
  return { session, id, repeat: () => gateway.post("shop", destroy(3), { session }) };
}

/** A call whose leg waits while something changes. */
async function waiting(policy = ASKS) {
  held.hurry();
  if (policy !== ASKS) await gateway.applyPolicy(policy);
  const session = await gateway.openSession("shop");
  const answering = gateway.post("shop", destroy(2), { session });
  const { id } = await held.approval();
  return { session, id, answering };
}

async function giveAccess(): Promise<void> {
  await gateway.query(
    `insert into access_grant (id, kind, principal, target_id, target_name, policy, starts_at, ends_at)
     select gen_random_uuid(), 'access', 'alice', id, name, 'engineers', now(), now() + interval '1 hour'
     from target where name = 'shop'`,
  );
}

describe("between approval and execution", () => {
  test("other arguments are another operation, which nobody has approved", async () => {
    const { session, id } = await approvedBetweenLegs();
    held.hurry({ repeatMs: 300 });
    const { json } = await gateway.post("shop", destroy(3, { n: 2 }), { session });
    expect(json.result).toMatchObject({ isError: true });
    expect(await held.approvals()).toHaveLength(2);
    expect([await held.state(id), reached()]).toEqual(["approved", []]);
  });

  test("another session of the same principal has to ask itself", async () => {
    const { id } = await approvedBetweenLegs();
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    expect((await gateway.post("shop", destroy(3), { session })).json.result).toMatchObject({
      isError: true,
    });
    expect(await held.approvals()).toHaveLength(2);
    expect([await held.state(id), reached()]).toEqual(["approved", []]);
  });

  test("another principal cannot use it, in its session or in another", async () => {
    await gateway.applyPolicy(ASKS.replace("[engineering]", "[engineering, dba]"));
    const { session, id } = await approvedBetweenLegs();
    expect((await gateway.post("shop", destroy(3), { session, as: "bob" })).status).toBe(404);
    held.hurry({ repeatMs: 300 });
    const own = await gateway.openSession("shop", "bob");
    const { json } = await gateway.post("shop", destroy(3), { session: own, as: "bob" });
    expect(json.result).toMatchObject({ isError: true });
    expect([await held.state(id), reached()]).toEqual(["approved", []]);
  });

  test("a policy that denies now refuses the repeat", async () => {
    const { repeat, id } = await approvedBetweenLegs();
    await gateway.applyPolicy(DENIES);
    expect((await repeat()).json.error).toBeDefined();
    expect([await held.state(id), reached()]).not.toContain("consumed");
    expect(reached()).toEqual([]);
  });

  test("a policy that denies now ends the wait at once, and says that access has ended", async () => {
    const { id, answering } = await waiting();
    await gateway.applyPolicy(DENIES);
    const { json } = await answering;
    expect(json.error).toMatchObject({ code: -31003, data: { approval: id } });
    expect([await held.state(id), reached()]).toEqual(["revoked", []]);
  });

  test("a policy that asks for a stricter review refuses the run, and says so", async () => {
    const { repeat, id } = await approvedBetweenLegs();
    await gateway.applyPolicy(STRICTER);
    const { json } = await repeat();
    expect(json.error?.message).toMatch(/asks for a stricter review/);
    expect([await held.state(id), reached()]).toEqual(["revoked", []]);
  });

  test("a policy that needs no approval any more lets what was approved run", async () => {
    const { repeat } = await approvedBetweenLegs();
    await gateway.applyPolicy(ENGINEERS_READ.replace("tools: [read]", "tools: [read, destroy]"));
    expect((await repeat()).json.result).toBeDefined();
    expect(reached()).toHaveLength(1);
  });

  test("without its caller nothing runs", async () => {
    const { id } = await approvedBetweenLegs();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect([await held.state(id), reached()]).toEqual(["approved", []]);
  });

  test("a caller that was away for too long has to ask anew", async () => {
    const { repeat, id } = await approvedBetweenLegs();
    await gateway.query("update approval set present_until = now() - interval '1 second'");
    held.hurry({ repeatMs: 300 });
    expect((await repeat()).json.result).toMatchObject({ isError: true });
    expect([await held.state(id), reached()]).toEqual(["cancelled", []]);
  });

  test("a grant that is revoked takes the approval with it", async () => {
    await giveAccess();
    const { id, answering } = await waiting(ON_REQUEST);
    await gateway.query("update access_grant set state = 'revoked', ended_at = now()");
    const { json } = await answering;
    expect(json.error).toMatchObject({ code: -31003 });
    expect([await held.state(id), reached()]).toEqual(["revoked", []]);
  });

  test("a grant that ends while nobody waits refuses the run", async () => {
    await gateway.applyPolicy(ON_REQUEST);
    await giveAccess();
    const { repeat, id } = await approvedBetweenLegs();
    await gateway.query("update access_grant set state = 'revoked', ended_at = now()");
    expect((await repeat()).json.error).toBeDefined();
    expect(await held.state(id)).not.toBe("consumed");
    expect(reached()).toEqual([]);
  });

  test("a lock on the principal ends the wait", async () => {
    const { id, answering } = await waiting();
    await gateway.query(
      `insert into lock (id, kind, subject, reason, created_by)
       values (gen_random_uuid(), 'principal', 'alice', 'left the company', 'admin')`,
    );
    const { json, status } = await answering;
    expect(json.error ?? status).toBeDefined();
    expect(json.result).toBeUndefined();
    await expect.poll(() => held.state(id), PATIENT).toMatch(/revoked|cancelled/);
    expect(reached()).toEqual([]);
  });

  test("an unrelated change of its policy and a new token are nothing", async () => {
    const { repeat, id } = await approvedBetweenLegs();
    await gateway.applyPolicy(UNRELATED);
    expect((await repeat()).json.result).toBeDefined();
    expect([await held.state(id), reached().length]).toEqual(["consumed", 1]);
  });

  test("an unrelated change while it waits is nothing", async () => {
    const { id, answering } = await waiting();
    await gateway.applyPolicy(UNRELATED);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await held.approve(id);
    expect((await answering).json.result).toBeDefined();
  });

  test("without an agent the leg waits, and the approval is there for the next one", async () => {
    const alice = new ModernClient(gateway, "shop");
    const message = modernCall(1, "destroy", { n: 1 });
    const again = ({ json }: Answer) => {
      const { requestState } = json.result as { requestState: string };
      return alice.post({ ...message, params: { ...message.params, requestState } });
    };
    gateway.links.online = false;
    held.hurry({ requestStateMs: 300, lookAgainMs: 100 });
    const first = await alice.post(message);
    const { id } = await held.approval();
    await held.approve(id);
    const second = await again(first);
    expect(second.json.result).toMatchObject({ resultType: "input_required" });
    expect(await held.state(id)).toBe("approved");
    held.hurry({ lookAgainMs: 100 });
    const third = again(second);
    await new Promise((resolve) => setTimeout(resolve, 500));
    gateway.links.online = true;
    expect((await third).json.result).toMatchObject({ n: 1 });
    expect(reached()).toHaveLength(1);
  });

  test("a limit without room ends the leg, and the approval is there for the next one", async () => {
    await gateway.applyPolicy(
      ASKS.replace("expiresIn: 15m } }", "expiresIn: 15m }, limits: [{ calls: 1/h }] }"),
    );
    const session = await gateway.openSession("shop");
    held.hurry();
    const first = gateway.post("shop", destroy(2, { n: 0 }), { session });
    await held.approve((await held.approval()).id);
    expect((await first).json.result).toMatchObject({ n: 1 });
    const second = gateway.post("shop", destroy(3), { session });
    const { id } = await held.approval(2);
    await held.approve(id);
    expect((await second).json.error?.code).toBe(-31013);
    expect([await held.state(id), reached().length]).toEqual(["approved", 1]);
  });

  // The last one: its tools stay changed.
  test("a tool that was changed refuses the run", async () => {
    const { repeat, id } = await approvedBetweenLegs();
    const [row] = await gateway.query<{ id: string }>("select id from target where name = 'shop'");
    const changed = TOOLS.map(({ name }) => toolFromTarget({ name, description: `another ${name}` }));
    await gateway.get(ToolPins).observe({ id: row!.id, name: "shop" }, changed);
    expect((await repeat()).json.error?.code).toBe(-31014);
    expect(await held.state(id)).not.toBe("consumed");
    expect(reached()).toEqual([]);
  });
});
