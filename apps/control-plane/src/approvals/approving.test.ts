import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { SeenPrincipals } from "../policies/index.js";
import type { HeldApproval, OperationToHold } from "./approvals.js";
import {
  asking,
  operation,
  ownerOf,
  person,
  startApprovals,
  type TestApprovals,
  toolCall,
} from "./fakes/held-operations.js";

let platform: TestPlatform;
/** Two replicas. */
let held: TestApprovals;
let other: TestApprovals;
const clock = new HeldClock();

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  held = await startApprovals(platform, clock);
  other = await startApprovals(platform, clock);
});
afterAll(async () => {
  await Promise.all([held.stop(), other.stop()]);
  await platform.stop();
});
beforeEach(() => {
  clock.advance(3_600_001);
  held.judge = () => Promise.resolve({ effect: "allow" });
});

const someone = (id: string, said: Parameters<typeof person>[2] = {}) => person(id, clock.now(), said);
const approve = (id: string, by = "bob", said: Parameters<TestApprovals["approving"]["approve"]>[2] = {}) =>
  held.approving.approve(someone(by), id, said);
const epoch = () => readEpoch(platform.database);

async function find(asked: OperationToHold, id: string): Promise<HeldApproval> {
  const found = await held.approvals.find(id, ownerOf(asked));
  if (!found) throw new Error("it is not there");
  return found;
}

async function row(id: string): Promise<Record<string, unknown>> {
  const { rows } = await platform.admin.query<Record<string, unknown>>(
    "SELECT * FROM approval WHERE id = $1",
    [id],
  );
  return rows[0] ?? {};
}

async function run(asked: OperationToHold, id: string, by = held) {
  return by.approvals.consume(id, ownerOf(asked), { epoch: await epoch(), exchange: 2 });
}

/** What becomes of `work` beside a transaction that locks a row by `statement`, and then moves the epoch. */
async function whileLocked<Result>(
  statement: string,
  id: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const revoker = await platform.admin.connect();
  try {
    await revoker.query("BEGIN");
    await revoker.query(statement, [id]);
    const done = work();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await revoker.query("UPDATE authorization_epoch SET value = value + 1 WHERE id = 1");
    await revoker.query("COMMIT");
    return await done;
  } finally {
    revoker.release();
  }
}

describe("of any number at once", () => {
  test("one decides: eight approve and deny on two replicas", async () => {
    for (let round = 0; round < 5; round++) {
      const asked = operation();
      const { id } = await held.approvals.hold(asked);
      const decisions = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => {
          const by = index % 2 === 0 ? held : other;
          const voter = someone(`voter-${index}`);
          return index < 4 ? by.approving.approve(voter, id, {}) : by.denials.deny(voter, id, "no");
        }),
      );
      expect(decisions.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const refused = decisions.flatMap((each) =>
        each.status === "rejected" ? [each.reason as { code: string }] : [],
      );
      expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 7 }, () => "already_decided"));
      const { rows } = await platform.admin.query("SELECT FROM review_vote WHERE subject_id = $1", [id]);
      expect(rows).toHaveLength(1);
    }
  });

  test("one runs it: sixteen legs on two replicas", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id);
    const taken = await Promise.all(
      Array.from({ length: 16 }, (_, index) => run(asked, id, index % 2 === 0 ? held : other)),
    );
    expect(taken.filter((each) => each === "consumed")).toHaveLength(1);
    expect(taken.filter((each) => each === "gone")).toHaveLength(15);
    expect(await row(id)).toMatchObject({ state: "consumed", sealed: null, exchange: "2" });
  });

  test("many votes on many operations leave each other connections", async () => {
    const asked = await Promise.all(Array.from({ length: 20 }, () => held.approvals.hold(operation())));
    await Promise.all(asked.map(({ id }, index) => approve(id, `voter-${index}`)));
    const states = await Promise.all(asked.map(async ({ id }) => (await row(id))["state"]));
    expect(new Set(states)).toEqual(new Set(["approved"]));
  });
});

describe("an approved operation runs", () => {
  test("for its own caller only, in its session, with the epoch it was decided at", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    const owner = ownerOf(asked);
    const at = { epoch: await epoch(), exchange: 3 };
    expect(await held.approvals.consume(id, owner, at)).toBe("gone");
    await approve(id);
    for (const another of [{ sessionId: randomUUID() }, { principal: "bob" }, { oauthClient: "another" }])
      expect(await held.approvals.consume(id, { ...owner, ...another }, at)).toBe("gone");
    expect(await held.approvals.consume(id, owner, { ...at, epoch: at.epoch - 1n })).toBe("moved");
    expect(await row(id)).toMatchObject({ state: "approved" });
    expect(await held.approvals.consume(id, owner, at)).toBe("consumed");
    expect(await held.approvals.consume(id, owner, { ...at, epoch: at.epoch - 1n })).toBe("gone");
  });

  test("not once the epoch moves beside it: whoever moves it waits or is seen", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id);
    const at = { epoch: await epoch(), exchange: 3 };
    const revoker = await platform.admin.connect();
    try {
      await revoker.query("BEGIN");
      await revoker.query("UPDATE authorization_epoch SET value = value + 1 WHERE id = 1");
      const consumed = held.approvals.consume(id, ownerOf(asked), at);
      const first = await Promise.race([
        consumed,
        new Promise((resolve) => setTimeout(resolve, 200, "waits")),
      ]);
      expect(first).toBe("waits");
      await revoker.query("COMMIT");
      expect(await consumed).toBe("moved");
    } finally {
      revoker.release();
    }
  });

  test("not beside somebody who ends it and moves the epoch: neither waits for the other for ever", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id);
    const at = { epoch: await epoch(), exchange: 3 };
    const consumed = await whileLocked("UPDATE approval SET comment = 'no' WHERE id = $1", id, () =>
      held.approvals.consume(id, ownerOf(asked), at),
    );
    expect(consumed).toBe("moved");
  });

  test("not after a minute without its caller, nor after its time", async () => {
    for (const late of ["present_until", "expires_at"]) {
      const asked = operation();
      const { id } = await held.approvals.hold(asked);
      await approve(id);
      await platform.admin.query(`UPDATE approval SET ${late} = $2 WHERE id = $1`, [id, clock.now()]);
      expect(await run(asked, id)).toBe("gone");
    }
  });

  test("not after somebody who may approve it, or an operator, has revoked it", async () => {
    const olga = { groups: [], roles: ["user", "operator"] as const };
    for (const by of [someone("carol"), someone("olga", { ...olga, roles: [...olga.roles] })]) {
      const asked = operation();
      const { id } = await held.approvals.hold(asked);
      await approve(id);
      await expect(
        held.denials.revoke(someone("dan", { groups: [], roles: ["user", "auditor"] }), id, "no"),
      ).rejects.toMatchObject({ code: "not_a_reviewer" });
      await held.denials.revoke(by, id, "a mistake");
      expect(await run(asked, id)).toBe("gone");
      expect(await row(id)).toMatchObject({ state: "revoked", sealed: null, end_reason: "a mistake" });
      await expect(held.denials.revoke(by, id, "again")).rejects.toMatchObject({ code: "already_decided" });
    }
  });
});

describe("nobody approves", () => {
  const owned = { ...operation().principal, id: "agent-7", identities: ["sub:agent-7", "sub:bob"] };
  const same = { ...operation().principal, identities: ["sub:alice", "person:1"] };
  test.each<[string, Partial<OperationToHold>, Parameters<typeof person>[2] & { id: string }, string]>([
    ["their own", {}, { id: "alice" }, "own_request"],
    [
      "with a second account",
      { principal: same },
      { id: "al", identities: ["sub:al", "person:1"] },
      "own_request",
    ],
    ["what their AI agent asks", { principal: owned }, { id: "bob" }, "own_request"],
    ["as a machine", {}, { id: "robot", isMachine: true }, "machine_cannot_review"],
    ["after an old sign-in", {}, { id: "bob", signedInAt: new Date(0) }, "sign_in_again"],
    ["after an unknown sign-in", {}, { id: "bob", signedInAt: undefined }, "sign_in_again"],
    [
      "from another group, who may read it",
      {},
      { id: "bob", groups: [], roles: ["auditor"] },
      "not_a_reviewer",
    ],
    ["from another group", {}, { id: "bob", groups: ["engineering"] }, "approval_not_found"],
  ])("%s", async (_, asked, { id: who, ...said }, code) => {
    const { id } = await held.approvals.hold(operation(asked));
    const voter = someone(who, said);
    await expect(held.approving.approve(voter, id, {})).rejects.toMatchObject({ code });
    expect(await row(id)).toMatchObject({ state: "pending" });
  });

  test("what is not there", async () => {
    await expect(approve(randomUUID())).rejects.toMatchObject({ code: "approval_not_found" });
  });

  test("what nobody waits for: it is cancelled; denying it is fine", async () => {
    const asked = operation();
    const [one, two] = [await held.approvals.hold(asked), await held.approvals.hold(operation())];
    clock.advance(60_000);
    await held.denials.deny(someone("bob"), two.id, "no");
    await expect(approve(one.id)).rejects.toMatchObject({ code: "requester_absent" });
    expect(await find(asked, one.id)).toMatchObject({ state: "cancelled", endReason: "its caller has left" });
  });

  test("twice, nor twice with two accounts", async () => {
    const asked = operation(asking({ group: "dba", count: 2 }));
    const { id } = await held.approvals.hold(asked);
    await held.approving.approve(someone("bob", { identities: ["sub:bob", "person:2"] }), id, {});
    await expect(approve(id)).rejects.toMatchObject({ code: "already_voted" });
    const second = someone("bobby", { identities: ["sub:bobby", "person:2"] });
    await expect(held.approving.approve(second, id, {})).rejects.toMatchObject({ code: "already_voted" });
    await expect(held.denials.deny(second, id, "no")).rejects.toMatchObject({ code: "already_voted" });
    expect(await find(asked, id)).toMatchObject({ state: "pending", missing: [{ group: "dba", count: 1 }] });
  });
});

describe("a quorum", () => {
  test("of two groups needs two people, though one is in both", async () => {
    const asked = operation(asking({ group: "dba", count: 1 }, { group: "leads", count: 1 }));
    const { id } = await held.approvals.hold(asked);
    await held.approving.approve(someone("bob", { groups: ["dba", "leads"] }), id, {});
    expect((await find(asked, id)).missing).toHaveLength(1);
    await held.approving.approve(someone("carol", { groups: ["leads"] }), id, {});
    expect(await find(asked, id)).toMatchObject({ state: "approved", missing: [], decidedBy: "carol" });
    const { from } = { from: [{ group: "leads", count: 2 }] };
    expect(await held.approvals.satisfies(id, { from: asked.decision.review.from, expiresIn: "1m" })).toBe(
      true,
    );
    expect(await held.approvals.satisfies(id, { from, expiresIn: "1m" })).toBe(true);
    expect(
      await held.approvals.satisfies(id, { from: [{ group: "board", count: 1 }], expiresIn: "1m" }),
    ).toBe(false);
  });

  test("is ended by one denial, whose comment its caller hears", async () => {
    const asked = operation(asking({ group: "dba", count: 3 }));
    const { id } = await held.approvals.hold(asked);
    await approve(id, "bob");
    await held.denials.deny(someone("carol"), id, "use the staging shop");
    expect(await find(asked, id)).toMatchObject({
      state: "denied",
      decidedBy: "carol",
      comment: "use the staging shop",
      missing: [],
    });
    expect(await row(id)).toMatchObject({ sealed: null });
    await expect(approve(id, "dave")).rejects.toMatchObject({ code: "already_decided" });
  });

  test("does not count who has lost the group since, nor who is locked", async () => {
    const asked = operation(asking({ group: "dba", count: 2 }));
    const { id } = await held.approvals.hold(asked);
    const seen = held.module.get(SeenPrincipals);
    await approve(id, "leaver");
    await seen.settled();
    clock.advance(1_000);
    seen.seen({ principal: "leaver", client: "editor", groups: ["staff"] });
    await seen.settled();
    await approve(id, "lena");
    expect(await find(asked, id)).toMatchObject({ state: "pending", missing: [{ group: "dba", count: 1 }] });
    await platform.database.prisma.lock.create({
      data: { kind: "principal", subject: "lena", reason: "left", createdBy: "ada" },
    });
    expect(await find(asked, id)).toMatchObject({ missing: [{ group: "dba", count: 2 }] });
    await approve(id, "dave");
    expect(await find(asked, id)).toMatchObject({ state: "pending", missing: [{ group: "dba", count: 1 }] });
    await approve(id, "erin");
    expect(await find(asked, id)).toMatchObject({ state: "approved" });
  });

  test("that was reached counts no more when a voter is locked before it runs", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id, "frank");
    expect(await held.approvals.satisfies(id, asked.decision.review)).toBe(true);
    await platform.database.prisma.lock.create({
      data: { kind: "principal", subject: "frank", reason: "left", createdBy: "ada" },
    });
    expect(await held.approvals.satisfies(id, asked.decision.review)).toBe(false);
  });
});

describe("an approval with edits", () => {
  const SQL = '{ "sql" : "delete from orders","limit":1.50 }';
  const edits = { "/sql": "select 1" };

  test("runs what was edited, byte for byte the same otherwise; a repeat still matches", async () => {
    const asked = operation({ message: toolCall(SQL, ',"_meta":{"progressToken":1}') });
    const { id } = await held.approvals.hold(asked);
    let judged: unknown;
    held.judge = (edit) => {
      judged = { ...edit, message: Buffer.from(edit.message.bytes).toString() };
      return Promise.resolve({ effect: "allow" });
    };
    await approve(id, "bob", { edits, comment: "reading is enough" });
    const text = Buffer.from(asked.message.bytes).toString().replace('"delete from orders"', '"select 1"');
    expect(judged).toMatchObject({
      message: text,
      owner: ownerOf(asked),
      principal: asked.principal,
      targetName: "shop",
    });
    const { message, changed, toolDigest } = await held.approvals.operation(id);
    expect(Buffer.from(message).toString()).toBe(text);
    expect(changed).toEqual(["/sql"]);
    expect(Buffer.from(toolDigest ?? [])).toEqual(asked.toolDigest);
    const stored = await row(id);
    expect(stored["requested_digest"]).toEqual(Buffer.from(held.approvals.digestOf(asked)));
    const edited = { ...asked, message: toolCall(SQL.replace("delete from orders", "select 1")) };
    expect(stored["approved_digest"]).toEqual(Buffer.from(held.approvals.digestOf(edited)));
    expect(await held.approvals.hold(asked)).toMatchObject({
      id,
      state: "approved",
      edited: true,
      decidedBy: "bob",
    });
    expect(await run(asked, id)).toBe("consumed");
    expect((await row(id))["sealed"]).toBeNull();
  });

  test("shows what was put in masked", async () => {
    const { id } = await held.approvals.hold(operation());
    await approve(id, "bob", { edits: { "/sql": "select 'jane.doe@example.com'" } });
    const preview = String((await row(id))["edited_preview"]);
    expect(preview).toContain("select");
    expect(preview).not.toContain("jane.doe@example.com");
  });

  test.each<[string, Record<string, never>, string]>([
    ["a place that is not there", { "/nothing": 1 } as never, "/nothing"],
    ["a value and a part of it", { "/deep": {}, "/deep/list": [] } as never, "/deep/list"],
    ["a place in a list that is not there", { "/deep/list/2": 1 } as never, "/deep/list/2"],
    ["a number that cannot be exact", { "/deep": { a: [2 ** 64] } } as never, "/deep"],
    ["half a character", { "/sql": "\ud800" } as never, ""],
  ])("refuses %s", async (_, wrong, place) => {
    const { id } = await held.approvals.hold(
      operation({ message: toolCall('{"sql":"x","deep":{"list":[1,2]}}') }),
    );
    await expect(approve(id, "bob", { edits: wrong })).rejects.toMatchObject({
      code: "edit_invalid",
      problems: place === "" ? [] : [{ path: place }],
    });
    expect(await row(id)).toMatchObject({ state: "pending", approved_digest: null });
  });

  test("refuses an operation without arguments, and what a header repeats", async () => {
    const plain = operation({ message: toolCall("{}") });
    const header = operation({ parameterHeaders: { "mcp-param-limit": "5" } });
    for (const [asked, wrong] of [
      [plain, { "/sql": "x" }],
      [header, { "/limit": 6 }],
    ] as const) {
      const { id } = await held.approvals.hold(asked);
      await expect(approve(id, "bob", { edits: wrong })).rejects.toMatchObject({ code: "edit_invalid" });
    }
  });

  test("refuses what policy denies, and what it asks others about; what it asks this one about passes", async () => {
    const { id } = await held.approvals.hold(operation());
    held.judge = () => Promise.resolve({ effect: "deny", reason: "dropping is never done" });
    await expect(approve(id, "bob", { edits })).rejects.toMatchObject({
      code: "edit_invalid",
      message: "policy denies the edited operation: dropping is never done",
    });
    const asks = (group: string) => () =>
      Promise.resolve({
        effect: "require_approval",
        review: { from: [{ group, count: 1 }], expiresIn: "5m" },
      } as const);
    held.judge = asks("leads");
    await expect(approve(id, "bob", { edits })).rejects.toMatchObject({
      code: "edit_invalid",
      message:
        "the edited operation needs the approval of others: 1 of leads; deny it and let it be asked for",
    });
    held.judge = asks("dba");
    await approve(id, "bob", { edits });
    expect(await row(id)).toMatchObject({ state: "approved" });
  });

  test("is for the first who votes; the others vote on what it became", async () => {
    const asked = operation(asking({ group: "dba", count: 2 }));
    const [first, second] = [
      await held.approvals.hold(asked),
      await held.approvals.hold({ ...operation(asked), sessionId: randomUUID() }),
    ];
    held.judge = () => Promise.resolve({ effect: "require_approval", review: asked.decision.review });
    await approve(first.id, "bob", { edits });
    expect(await find(asked, first.id)).toMatchObject({ state: "pending", edited: true });
    await expect(approve(first.id, "carol", { edits: { "/limit": 1 } })).rejects.toMatchObject({
      code: "edit_invalid",
    });
    // Who looked at it before has not agreed to what it became.
    await expect(approve(first.id, "carol")).rejects.toMatchObject({ code: "already_edited" });
    await approve(first.id, "carol", { seen: "edited" });
    expect(await find(asked, first.id)).toMatchObject({ state: "approved", edited: true });
    await expect(approve(second.id, "bob", { seen: "edited" })).rejects.toMatchObject({
      code: "already_edited",
    });
    await approve(second.id, "bob");
    await expect(approve(second.id, "carol", { edits })).rejects.toMatchObject({ code: "edit_invalid" });
    expect(await row(second.id)).toMatchObject({ state: "pending", approved_digest: null });
  });

  test("that changes nothing is none", async () => {
    const { id } = await held.approvals.hold(operation());
    await approve(id, "bob", { edits: { "/limit": 5 } });
    expect(await row(id)).toMatchObject({ state: "approved", approved_digest: null });
  });
});

describe("an approval for the session", () => {
  async function grants(id: string) {
    const { rows } = await platform.admin.query<Record<string, unknown>>(
      "SELECT * FROM access_grant WHERE request_id = $1",
      [id],
    );
    return rows;
  }

  test("lets the very same run so often, in that session, for those people, and not for others", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id, "bob", { sessionUses: 3 });
    const [grant] = await grants(id);
    expect(grant).toMatchObject({
      kind: "repeat",
      state: "active",
      uses_left: 3,
      session_id: asked.sessionId,
    });
    expect(grant?.["ends_at"]).toEqual(new Date(clock.at.getTime() + 12 * 3_600_000));
    const now = await epoch();
    const stricter = { ...asked, ...asking({ group: "leads", count: 1 }) };
    const others = [
      { ...asked, sessionId: randomUUID() },
      { ...asked, message: toolCall('{"sql":"delete from orders","limit":6}') },
      {
        ...asked,
        message: toolCall('{"sql":"delete from orders","limit":5}', ',"_meta":{"acme/dry-run":false}'),
      },
      { ...asked, parameterHeaders: { "mcp-param-limit": "6" } },
      { ...asked, principal: { ...asked.principal, id: "mallory" } },
      { ...asked, toolDigest: Buffer.alloc(32, 5) },
      stricter,
    ];
    for (const each of others) expect(await held.approvals.repeatOf(each)).toBeUndefined();
    const own = toolCall(
      '{"sql":"delete from orders","limit":5}',
      ',"_meta":{"progressToken":9,"traceparent":"00-1-2-01"}',
    );
    const repeat = await held.approvals.repeatOf({ ...asked, message: own, exchange: 2 });
    if (!repeat) throw new Error("what differs only in what each request has of its own is the same");
    expect(repeat.approvalId).toBe(id);
    expect(await held.approvals.useAgain(repeat, now - 1n)).toBe("moved");
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? held : other).approvals.useAgain(repeat, now),
      ),
    );
    expect(taken.filter((each) => each === "consumed").length).toBeLessThanOrEqual(3);
    for (let left = 0; left < 3; left++) await held.approvals.useAgain(repeat, await epoch());
    expect(await held.approvals.useAgain(repeat, await epoch())).toBe("gone");
    expect(await held.approvals.repeatOf(asked)).toBeUndefined();
    expect(await grants(id)).toMatchObject([
      { state: "ended", uses_left: 0, end_reason: "all its uses are taken" },
    ]);
  });

  test("ends with its time", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id, "bob", { sessionUses: 3 });
    clock.advance(12 * 3_600_000);
    expect(await held.approvals.repeatOf(asked)).toBeUndefined();
  });

  test("takes everybody who approves: the least that they say", async () => {
    const uses = async (...said: (number | undefined)[]) => {
      const { id } = await held.approvals.hold(operation(asking({ group: "dba", count: said.length })));
      for (const [index, sessionUses] of said.entries()) await approve(id, `voter-${index}`, { sessionUses });
      return (await grants(id))[0]?.["uses_left"];
    };
    expect(await uses(5, 3, 9)).toBe(3);
    expect(await uses(5, undefined, 9)).toBeUndefined();
    expect(await uses(undefined, 5)).toBeUndefined();
  });

  test("is not for an edited operation", async () => {
    const asked = operation(asking({ group: "dba", count: 2 }));
    const { id } = await held.approvals.hold(asked);
    held.judge = () => Promise.resolve({ effect: "allow" });
    const edits = { "/limit": 1 };
    await expect(approve(id, "bob", { edits, sessionUses: 2 })).rejects.toMatchObject({
      code: "edit_invalid",
    });
    await approve(id, "bob", { edits });
    await expect(approve(id, "carol", { sessionUses: 2 })).rejects.toMatchObject({ code: "edit_invalid" });
    await approve(id, "carol", { seen: "edited" });
    expect(await grants(id)).toEqual([]);
  });

  test("is not used beside somebody who ends it and moves the epoch", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id, "bob", { sessionUses: 3 });
    const repeat = await held.approvals.repeatOf(asked);
    if (!repeat) throw new Error("there is no grant");
    const now = await epoch();
    const used = await whileLocked("UPDATE access_grant SET reason = 'no' WHERE id = $1", repeat.id, () =>
      held.approvals.useAgain(repeat, now),
    );
    expect(used).toBe("moved");
    expect(await grants(id)).toMatchObject([{ uses_left: 3 }]);
  });

  test("is over when the approval is revoked", async () => {
    const asked = operation();
    const { id } = await held.approvals.hold(asked);
    await approve(id, "bob", { sessionUses: 3 });
    const repeat = await held.approvals.repeatOf(asked);
    await held.denials.revoke(someone("bob"), id, "a mistake");
    expect(await held.approvals.repeatOf(asked)).toBeUndefined();
    expect(repeat && (await held.approvals.useAgain(repeat, await epoch()))).toBe("gone");
    expect(await grants(id)).toMatchObject([{ state: "revoked", ended_by: "bob" }]);
  });
});
