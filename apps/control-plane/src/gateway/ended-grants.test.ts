import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "./fakes/call-under-way.js";
import { answerPolitely } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient } from "./fakes/modern-client.js";
import { ENGINEERS_READ } from "./fakes/policies.js";
import { StreamClients } from "./fakes/stream-client.js";
import { SessionsService } from "./sessions/sessions.service.js";

const ON_REQUEST = ENGINEERS_READ.replace(
  "access: { mode: standing }",
  "access: { mode: jit, activation: approval, maxDuration: 4h, review: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }",
);
const OWN = ENGINEERS_READ.replace(
  "access: { mode: standing }",
  "access: { mode: jit, activation: self, maxDuration: 4h }",
);
const REVOKED = -31003;
const ACCESS_REQUIRED = -31016;
const A_SECOND = 1_500;
const TWO_SECONDS = 2_500;

/** `here`: where grants end. `there`: another process, of which the clients are. */
let here: GatewayUnderTest;
let there: GatewayUnderTest;
let streams: StreamClients;
beforeAll(async () => {
  here = await GatewayUnderTest.start(ON_REQUEST);
  there = await here.beside();
  streams = new StreamClients(there);
});
afterAll(async () => {
  await there.stopControlPlane();
  await here.stop();
});
beforeEach(async () => {
  there.links.reset();
  await here.applyPolicy(ON_REQUEST);
});
afterEach(async () => {
  streams.leave();
  await end();
  await new Promise((resolve) => setTimeout(resolve, 500));
});

async function grant(lastsMs = 3_600_000): Promise<string> {
  const [row] = await here.query<{ id: string }>(
    `insert into access_grant (id, kind, principal, target_id, target_name, policy, starts_at, ends_at)
     select gen_random_uuid(), 'access', 'alice', id, name, 'engineers', now(), now() + $1 * interval '1 ms'
     from target where name = 'shop' returning id`,
    [lastsMs],
  );
  return row!.id;
}

const end = () =>
  here.query("update access_grant set state = 'revoked', ended_at = now() where state = 'active'");

async function whyClosed(sessionId: string): Promise<string | null | undefined> {
  const [row] = await here.query<{ close_reason: string | null }>(
    "select close_reason from session where id = $1",
    [sessionId],
  );
  return row?.close_reason;
}

describe("a grant that is revoked at one control plane", () => {
  test("cuts the call under way at another, and ends its session with child and stream", async () => {
    await grant();
    const session = await there.openSession("shop");
    const listening = await streams.open({ session });
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    const start = performance.now();
    await end();
    expect((await call.sending).json.error?.code).toBe(REVOKED);
    expect(performance.now() - start).toBeLessThan(TWO_SECONDS);
    await expect.poll(() => there.links.closed, PATIENT).toContain(call.sessionId);
    await expect.poll(() => listening.isOver, PATIENT).toBe(true);
    await expect.poll(() => whyClosed(call.sessionId), PATIENT).toBe("access was revoked");
    there.links.script = answerPolitely;
    expect((await there.post("shop", toolCall(8, "read", {}), { session })).status).toBe(404);
    const again = await there.openSession("shop");
    const refused = await there.post("shop", toolCall(9, "read", {}), { session: again });
    expect(refused.json.error?.code).toBe(ACCESS_REQUIRED);
  });

  test("ends a session in which nothing was asked yet", async () => {
    await grant();
    await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    await end();
    await expect.poll(() => whyClosed(sessionId), PATIENT).toBe("access was revoked");
    expect(there.links.closed).toContain(sessionId);
  });

  test("refuses the next call, also where nobody has noticed it yet", async () => {
    await grant();
    const session = await there.openSession("shop");
    expect((await there.post("shop", toolCall(7, "read", {}), { session })).json.result).toBeDefined();
    await end();
    const sent = there.links.reached("tools/call").length;
    const refused = await there.post("shop", toolCall(8, "read", {}), { session });
    expect(refused.json.error ?? refused.status).toBeDefined();
    expect(there.links.reached("tools/call")).toHaveLength(sent);
  });

  test("ends the session of a client of 2026-07-28, which opens another and is told how to ask", async () => {
    await grant();
    const alice = new ModernClient(there, "shop");
    const call = await callUnderWay(there, () => alice.post(modernCall(1, "read")));
    await end();
    expect((await call.sending).json.error?.code).toBe(REVOKED);
    await expect.poll(() => whyClosed(call.sessionId), PATIENT).toBe("access was revoked");
    there.links.script = answerPolitely;
    expect((await alice.post(modernCall(2, "read"))).json.error?.code).toBe(ACCESS_REQUIRED);
  });

  test("leaves the session open where another grant gives access still", async () => {
    const first = await grant();
    await grant();
    const session = await there.openSession("shop");
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    await here.query("update access_grant set state = 'revoked' where id = $1", [first]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await call.answer({ text: "done" });
    expect((await call.sending).json.result).toEqual({ text: "done" });
    expect(await whyClosed(call.sessionId)).toBeNull();
  });

  test("leaves the sessions of others alone, and of who never had one", async () => {
    const eligible = await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    expect((await there.post("shop", toolCall(7, "read", {}), { session: eligible })).json.error?.code).toBe(
      ACCESS_REQUIRED,
    );
    await here.query(
      `insert into access_grant (id, kind, principal, target_id, target_name, policy, starts_at, ends_at)
       select gen_random_uuid(), 'access', 'somebody', id, name, 'engineers', now(), now() + interval '1 hour'
       from target where name = 'shop'`,
    );
    await end();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await whyClosed(sessionId)).toBeNull();
  });

  test("is found out by the process that takes its session up", async () => {
    await grant();
    const session = await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    await there.stopControlPlane();
    await end();
    await there.startControlPlane();
    await there.post("shop", toolCall(7, "read", {}), { session });
    expect(there.get(SessionsService).byId(sessionId)?.grantedUntil).toBeInstanceOf(Date);
    await here.query("update authorization_epoch set value = value + 1");
    await expect.poll(() => whyClosed(sessionId), PATIENT).toBe("access was revoked");
  });
});

describe("a grant that ends by its time", () => {
  test("cuts what is under way and ends the session, with nothing in the database that would tell", async () => {
    await grant(3_000);
    const session = await there.openSession("shop");
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    const [row] = await here.query<{ ends_at: Date }>(
      "select ends_at from access_grant where state = 'active'",
    );
    const answered = await call.sending;
    expect(answered.json.error?.code).toBe(REVOKED);
    const late = Date.now() - (row?.ends_at.getTime() ?? 0);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(A_SECOND);
    await expect.poll(() => whyClosed(call.sessionId), PATIENT).toBe("the grant ended");
  });
});

describe("who may give themselves access", () => {
  const grants = (sessionId: string) =>
    here.query<{ state: string; kind: string }>(
      "select state, kind from access_grant where session_id = $1",
      [sessionId],
    );

  test("has it with the session, for that session, and it ends with it", async () => {
    await here.applyPolicy(OWN);
    const session = await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    expect(await grants(sessionId)).toEqual([{ state: "active", kind: "self" }]);
    expect((await there.post("shop", toolCall(7, "read", {}), { session })).json.result).toBeDefined();
    await fetch(`${there.config.publicUrl}/mcp/shop`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${await there.mcpToken("alice")}`, "mcp-session-id": session },
    });
    await expect.poll(async () => (await grants(sessionId))[0]?.state, PATIENT).toBe("ended");
  });

  test("has it at 2026-07-28, too, and loses it when an operator ends the session elsewhere", async () => {
    await here.applyPolicy(OWN);
    const alice = new ModernClient(there, "shop");
    expect((await alice.post(modernCall(1, "read"))).json.result).toBeDefined();
    const { sessionId } = there.links.opened.at(-1)!;
    expect(await grants(sessionId)).toEqual([{ state: "active", kind: "self" }]);
    await here.api("DELETE", `sessions/${sessionId}`);
    await expect.poll(async () => (await grants(sessionId))[0]?.state, PATIENT).toBe("ended");
  });
});
