import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import {
  operation,
  ownerOf,
  person,
  startApprovals,
  type TestApprovals,
  toolCall,
} from "./fakes/held-operations.js";

let platform: TestPlatform;
let held: TestApprovals;
const clock = new HeldClock();

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  held = await startApprovals(platform, clock);
});
afterAll(async () => {
  await held.stop();
  await platform.stop();
});
beforeEach(async () => {
  clock.advance(3_600_001);
  await held.jobs.run("sweep-approvals");
});

async function row(id: string): Promise<Record<string, unknown>> {
  const { rows } = await platform.admin.query<Record<string, unknown>>(
    "SELECT * FROM approval WHERE id = $1",
    [id],
  );
  return rows[0] ?? {};
}

async function told(id: string): Promise<string[]> {
  const { rows } = await platform.admin.query<{ kind: string }>(
    "SELECT kind FROM live_event WHERE subject = $1 ORDER BY id",
    [id],
  );
  const audited = await platform.admin.query<{ action: string }>(
    "SELECT action FROM audit_event WHERE subject = $1 ORDER BY id",
    [id],
  );
  const kinds = rows.map(({ kind }) => kind);
  expect(audited.rows.map(({ action }) => action)).toEqual(kinds);
  return kinds;
}

/** As if somebody of leads had voted, whoever is asked. */
async function voteOf(principal: string, subject: string): Promise<void> {
  await platform.admin.query(
    `INSERT INTO review_vote (subject_id, principal, identities, groups, verdict, at)
     VALUES ($1, $2, ARRAY['sub:' || $2], ARRAY['leads'], 'approve', $3)`,
    [subject, principal, clock.now()],
  );
}

describe("holding an operation", () => {
  test("makes a row that tells nothing of it, and says so", async () => {
    const asked = operation();
    const approval = await held.approvals.hold(asked);
    expect(approval).toMatchObject({
      state: "pending",
      sessionId: asked.sessionId,
      exchange: 1,
      missing: [{ group: "dba", count: 1 }],
      url: `http://127.0.0.1:8080/approvals/${approval.id}`,
      expiresAt: new Date(clock.at.getTime() + 15 * 60_000),
      edited: false,
    });
    const stored = await row(approval.id);
    expect(stored).toMatchObject({
      principal: "alice",
      target_name: "shop",
      method: "tools/call",
      name: "run",
    });
    expect(JSON.stringify(stored)).not.toContain("delete from");
    expect(Buffer.from(stored["sealed"] as Buffer).includes("delete from")).toBe(false);
    expect(await told(approval.id)).toEqual(["approval.requested"]);
    expect(held.jobs.putOff.at(-1)).toEqual({
      name: "expire-approval",
      subject: approval.id,
      delayMs: 900_000,
    });
    const { message } = await held.approvals.operation(approval.id);
    expect(Buffer.from(message).equals(asked.message.bytes)).toBe(true);
  });

  test("keeps its name masked: of a resource that is its address", async () => {
    const secret = `AKIA${"Q3WERTYU".repeat(2)}`;
    const params = { uri: `https://store.example.test/${secret}/${"x".repeat(900)}` };
    const message = parseMessage(
      Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 7, method: "resources/read", params })),
    ) as McpRequest;
    const { id } = await held.approvals.hold(operation({ message }));
    const { name } = await row(id);
    expect(name).toMatch(/^https:\/\/store\.example\.test\//);
    expect(name).not.toContain("AKIAQ3");
    expect(String(name).length).toBeLessThanOrEqual(300);
  });

  test("tells nothing of it in what is audited and told live", async () => {
    const asked = operation({ message: toolCall('{"sql":"select \'tell-tale\'"}') });
    const { id } = await held.approvals.hold(asked);
    await held.denials.deny(person("bob", clock.now()), id, "no");
    const { rows } = await platform.admin.query(
      "SELECT row_to_json(e)::text AS text FROM live_event e UNION ALL SELECT row_to_json(a)::text FROM audit_event a",
    );
    expect(rows.length).toBeGreaterThan(3);
    expect(JSON.stringify(rows)).not.toContain("tell-tale");
  });

  test("of the same again is one leg more, eight at once too", async () => {
    const asked = operation();
    const legs = await Promise.all(
      Array.from({ length: 8 }, (_, exchange) => held.approvals.hold({ ...asked, exchange: exchange + 1 })),
    );
    expect(new Set(legs.map(({ id }) => id)).size).toBe(1);
    const again = await held.approvals.hold({ ...asked, exchange: 9 });
    expect(again).toMatchObject({ id: legs[0]?.id, exchange: 9 });
    expect(await told(again.id)).toEqual(["approval.requested"]);
  });

  test("of something else, or in another session, or for another, is another", async () => {
    const asked = operation();
    const first = await held.approvals.hold(asked);
    const others = [
      { ...asked, message: toolCall('{"sql":"delete from orders","limit":6}') },
      { ...asked, sessionId: randomUUID() },
      { ...asked, principal: { ...asked.principal, id: "mallory" } },
      { ...asked, principal: { ...asked.principal, client: "another" } },
      { ...asked, toolDigest: Buffer.alloc(32, 9) },
    ];
    for (const other of others) expect((await held.approvals.hold(other)).id).not.toBe(first.id);
  });

  test("is refused above a hundred of one principal, and only of that one", async () => {
    const many = (id: string) => operation({ principal: { ...operation().principal, id } });
    for (let count = 0; count < 100; count++) await held.approvals.hold(many("eager"));
    await expect(held.approvals.hold(many("eager"))).rejects.toMatchObject({
      code: "too_many_requests_pending",
    });
    await expect(held.approvals.hold(many("calm"))).resolves.toMatchObject({ state: "pending" });
  });
});

describe("who comes back", () => {
  test("hears once how it ended, and then asks anew", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await held.denials.deny(person("bob", clock.now()), id, "not on a Friday");
    const ended = await held.approvals.hold(asked);
    expect(ended).toMatchObject({ id, state: "denied", comment: "not on a Friday", decidedBy: "bob" });
    await held.approvals.told(id);
    expect((await held.approvals.hold(asked)).id).not.toBe(id);
  });

  test("an hour later asks anew", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await held.denials.deny(person("bob", clock.now()), id, "no");
    clock.advance(3_600_001);
    expect((await held.approvals.hold(asked)).id).not.toBe(id);
  });

  test("after they did not want it any more asks anew", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await held.approvals.cancel(id, "the client cancelled it");
    expect(await held.approvals.find(id, ownerOf(asked))).toMatchObject({ state: "cancelled" });
    expect((await held.approvals.hold(asked)).id).not.toBe(id);
  });

  test("after more than a minute has left, and asks anew", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    clock.advance(60_000);
    expect((await held.approvals.hold(asked)).id).not.toBe(id);
    expect(await row(id)).toMatchObject({
      state: "cancelled",
      end_reason: "its caller has left",
      sealed: null,
    });
  });

  test("finds their own only, in their session, or by its task in any", async () => {
    const asked = operation({ taskId: "task-1" });
    const { id } = await held.approvals.hold(asked);
    const owner = ownerOf(asked);
    expect(await held.approvals.find(id, owner)).toMatchObject({ id });
    for (const other of [{ sessionId: randomUUID() }, { principal: "bob" }, { oauthClient: "another" }])
      expect(await held.approvals.find(id, { ...owner, ...other })).toBeUndefined();
    expect(await held.approvals.ofTask("task-1", asked.target.id, owner)).toMatchObject({ id });
    expect(await held.approvals.ofTask("task-2", asked.target.id, owner)).toBeUndefined();
    expect(await held.approvals.ofTask("task-1", randomUUID(), owner)).toBeUndefined();
    const bob = { ...owner, principal: "bob" };
    expect(await held.approvals.ofTask("task-1", asked.target.id, bob)).toBeUndefined();
    expect(await held.approvals.ofExchange(asked.sessionId, 1)).toMatchObject({ id });
    expect(await held.approvals.openExchanges()).toContainEqual({ sessionId: asked.sessionId, exchange: 1 });
    await held.approvals.revoke(id, "asks for a stricter review now");
    expect(await held.approvals.ofExchange(asked.sessionId, 1)).toBeUndefined();
    expect(await held.approvals.find(id, owner)).toMatchObject({
      state: "revoked",
      endReason: "asks for a stricter review now",
    });
    await expect(held.approvals.operation(id)).rejects.toMatchObject({ code: "approval_not_found" });
  });
});

describe("time", () => {
  /** The caller waits all the while. */
  async function wait(id: string, minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      const leave = held.approvals.attend(id, 1);
      clock.advance(60_000 - 1);
      await leave();
    }
    clock.advance(minutes);
  }

  test("that is over is over though no job and no sweep ran", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await wait(id, 15);
    await expect(held.approving.approve(person("bob", clock.now()), id, {})).rejects.toMatchObject({
      code: "already_decided",
    });
    expect(await held.approvals.find(id, ownerOf(asked))).toMatchObject({ state: "expired", missing: [] });
    expect(await row(id)).toMatchObject({ sealed: null, end_reason: "nobody decided in time" });
  });

  test("that is over is told to a repeat", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await wait(id, 15);
    expect(await held.approvals.hold(asked)).toMatchObject({ id, state: "expired" });
  });

  test.each(["the job", "the sweep"])("ends what is held, by %s; an approved one, too", async (by) => {
    const [asked, other] = [operation(), operation()];
    const { id } = await held.approvals.hold(asked);
    const approved = await held.approvals.hold(other);
    await held.approving.approve(person("bob", clock.now()), approved.id, {});
    await Promise.all([wait(id, 15), wait(approved.id, 0)]);
    await held.approvals.attend(approved.id, 1)();
    if (by === "the sweep") await held.jobs.run("sweep-approvals");
    else for (const each of [id, approved.id]) await held.jobs.runLater("expire-approval", each);
    expect(await told(id)).toEqual(["approval.requested", "approval.expired"]);
    expect((await told(approved.id)).at(-1)).toBe("approval.expired");
    for (const each of [id, approved.id])
      expect(await row(each)).toMatchObject({ state: "expired", sealed: null });
  });

  test("a job that comes too early ends nothing", async () => {
    const { id } = await held.approvals.hold(operation());
    await held.jobs.runLater("expire-approval", id);
    expect(await row(id)).toMatchObject({ state: "pending" });
  });

  test("that is over has others asked, once", async () => {
    const { decision } = operation();
    const review = {
      from: [{ group: "dba", count: 2 }],
      expiresIn: "5m",
      onExpiry: { escalateTo: { group: "leads", count: 1 } },
    };
    const asked = operation({ decision: { ...decision, review } });
    const { id } = await held.approvals.hold(asked);
    await held.approving.approve(person("bob", clock.now()), id, {});
    await wait(id, 5);
    await held.jobs.runLater("expire-approval", id);
    expect(await held.approvals.find(id, ownerOf(asked))).toMatchObject({
      state: "pending",
      missing: [{ group: "leads", count: 1 }],
      expiresAt: new Date(clock.at.getTime() + 5 * 60_000),
    });
    expect(held.jobs.putOff.at(-1)).toEqual({ name: "expire-approval", subject: id, delayMs: 300_000 });
    // By then whoever is asked last suffices; before, they would not have.
    expect(await held.approvals.satisfies(id, review)).toBe(false);
    const before = await held.approvals.hold({ ...asked, sessionId: randomUUID() });
    for (const approval of [before, { id }]) await voteOf("lena", approval.id);
    expect(await held.approvals.satisfies(id, review)).toBe(true);
    expect(await held.approvals.satisfies(before.id, review)).toBe(false);
    expect(await told(id)).toEqual(["approval.requested", "approval.voted", "approval.escalated"]);
    await wait(id, 5);
    await held.jobs.run("sweep-approvals");
    expect((await told(id)).at(-1)).toBe("approval.expired");
  });

  test("that is over approves it when one who is asked then has approved before", async () => {
    const { decision } = operation();
    const onExpiry = { escalateTo: { group: "leads", count: 1 } };
    const review = { from: [{ group: "dba", count: 2 }], expiresIn: "5m", onExpiry };
    const asked = operation({ decision: { ...decision, review } });
    const { id } = await held.approvals.hold(asked);
    await held.approving.approve(person("bob", clock.now(), { groups: ["dba", "leads"] }), id, {});
    await wait(id, 5);
    await held.approvals.attend(id, 1)();
    await held.jobs.runLater("expire-approval", id);
    expect(await held.approvals.find(id, ownerOf(asked))).toMatchObject({
      state: "approved",
      decidedBy: "bob",
    });
  });

  test("without its caller cancels it, approved or not; a leg in time keeps it", async () => {
    const left = await held.approvals.hold(operation());
    const approved = await held.approvals.hold(operation());
    await held.approving.approve(person("bob", clock.now()), approved.id, {});
    const waited = await held.approvals.hold(operation());
    clock.advance(59_000);
    await held.approvals.attend(waited.id, 4)();
    clock.advance(1_000);
    await held.jobs.run("sweep-approvals");
    const gone = { state: "cancelled", sealed: null, end_reason: "its caller has left" };
    expect(await row(left.id)).toMatchObject(gone);
    expect(await row(approved.id)).toMatchObject(gone);
    expect(await row(waited.id)).toMatchObject({ state: "pending", exchange: "4" });
  });

  test("an outage in which no leg could say that it is there takes nobody for absent", async () => {
    const { id } = await held.approvals.hold(operation());
    const leave = held.approvals.attend(id, 1);
    clock.advance(120_000);
    await held.jobs.run("sweep-approvals");
    expect(await row(id)).toMatchObject({ state: "pending" });
    await leave();
  });
});
