import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AccessUnderTest, REVIEWED, startAccessUnderTest } from "./fakes/access-under-test.js";

const MINUTE = 60_000;
let access: AccessUnderTest;
let target: string;
let alice: string;
let count = 0;

beforeAll(async () => {
  access = await startAccessUnderTest(3);
});
afterAll(() => access.stop());
beforeEach(async () => {
  count += 1;
  target = `shop-${count}`;
  alice = `alice-${count}`;
  access.person(alice, ["engineering"]);
  access.person("bob", ["dba"]);
  access.person("carol", ["dba", "leads"]);
  access.person("dan", ["leads"]);
  await access.target(target);
});

const policy = (terms = REVIEWED) => access.policy(`${target}-write`, target, terms);
const from = (...reviewers: string[]) =>
  REVIEWED.replace("[{ group: dba, count: 1 }]", `[${reviewers.map((each) => `{ ${each} }`).join(", ")}]`);

/** A request that waits; resolves with its id. */
async function asked(terms?: string, request: object = {}): Promise<string> {
  await policy(terms);
  const { status, body } = await access.ask(alice, { target, ...request });
  expect({ status, state: body.state }).toEqual({ status: 201, state: "pending" });
  return body.id;
}

describe("a review", () => {
  test("by one gives the grant, from then on and for as long as was asked", async () => {
    const id = await asked(undefined, { duration: "1h", reason: "release", tools: ["read_*"] });
    const before = access.now().getTime();
    const { status, body } = await access.review("bob", id);
    expect({ status, body }).toMatchObject({ status: 200, body: { state: "approved", decidedBy: "bob" } });
    const grant = await access.grant(body.grantId);
    expect(grant).toMatchObject({
      kind: "access",
      state: "active",
      principal: alice,
      target,
      tools: ["read_*"],
      policy: `${target}-write`,
      requestId: id,
      reason: "release",
    });
    const [start, end] = [Date.parse(grant.startsAt), Date.parse(grant.endsAt)];
    expect(start).toBeGreaterThanOrEqual(before);
    expect(end - start).toBe(60 * MINUTE);
    expect(await access.acts(id)).toEqual(["access_request.created", "access_request.approved"]);
    expect(await access.acts(grant.id)).toEqual(["grant.started"]);
    expect(access.putOff()).toContainEqual(
      expect.objectContaining({ name: "access-grant-over", subject: grant.id }),
    );
  });

  test("in time gives it at the time that was asked for, and not before", async () => {
    const startsAt = new Date(access.now().getTime() + 10 * MINUTE).toISOString();
    const id = await asked(undefined, { duration: "1h", startsAt });
    const { body } = await access.review("bob", id);
    expect(await access.grant(body.grantId)).toMatchObject({ state: "scheduled", startsAt });
    access.advance(11 * MINUTE);
    expect(await access.grant(body.grantId)).toMatchObject({ state: "active" });
  });

  test("after the time that was asked for gives it from then on, for the whole time", async () => {
    const startsAt = new Date(access.now().getTime() + 5 * MINUTE).toISOString();
    const id = await asked(undefined, { duration: "1h", startsAt });
    access.advance(10 * MINUTE);
    const grant = await access.grant((await access.review("bob", id)).body.grantId);
    expect(Date.parse(grant.startsAt)).toBeGreaterThan(Date.parse(startsAt));
    expect(Date.parse(grant.endsAt) - Date.parse(grant.startsAt)).toBe(60 * MINUTE);
  });

  test("needs as many people as the policy says, of each group, and nobody counts twice", async () => {
    const id = await asked(from("group: dba, count: 1", "group: leads, count: 1"));
    const first = await access.review("carol", id);
    expect(first.body).toMatchObject({
      state: "pending",
      review: { votes: [{ principal: "carol", counts: true }] },
    });
    expect(first.body.review.missing).toHaveLength(1);
    expect(await access.review("carol", id)).toMatchObject({ status: 409, body: { code: "already_voted" } });
    expect(await access.review("bob", id)).toMatchObject({ body: { state: "approved" } });
    expect(await access.events(id)).toEqual([
      "access_request.created",
      "access_request.voted",
      "access_request.approved",
    ]);
  });

  test("ends with one denial, whose words the requester reads", async () => {
    const id = await asked(from("group: dba, count: 2"));
    await access.review("bob", id);
    expect(await access.review("carol", id, "deny")).toMatchObject({ status: 200 });
    expect(await access.request(id, alice)).toMatchObject({
      state: "denied",
      decidedBy: "carol",
      comment: "not today",
      grantId: null,
    });
    access.person("eve", ["dba"]);
    expect(await access.review("eve", id)).toMatchObject({ status: 409, body: { code: "already_decided" } });
  });

  test("that denies needs words", async () => {
    const id = await asked();
    expect(
      await access.send("bob", "POST", `access-requests/${id}/review`, { verdict: "deny" }),
    ).toMatchObject({
      status: 400,
    });
  });

  test.each<[string, () => void, string]>([
    ["the requester", () => access.person(alice, ["engineering", "dba"]), "own_request"],
    [
      "the requester's second account",
      () => access.person("second", ["dba"], { identities: ["sub:second", "person:42"] }),
      "own_request",
    ],
    ["a program", () => access.person("bot", ["dba"], { isMachine: true }), "machine_cannot_review"],
    [
      "one who signed in long ago",
      () => access.person("old", ["dba"], { signedInAt: new Date(0) }),
      "sign_in_again",
    ],
    [
      "one of whom nobody knows when",
      () => access.person("old", ["dba"], { signedInAt: undefined }),
      "sign_in_again",
    ],
    ["an operator whom the policy does not name", () => undefined, "not_a_reviewer"],
  ])("is not by %s", async (who, prepare, code) => {
    access.person(alice, ["engineering"], { identities: [`sub:${alice}`, "person:42"] });
    const id = await asked();
    prepare();
    const names: Record<string, string> = {
      own_request: who === "the requester" ? alice : "second",
      machine_cannot_review: "bot",
      sign_in_again: "old",
      not_a_reviewer: "olga",
    };
    if (who === "the requester")
      access.person(alice, ["engineering", "dba"], { identities: [`sub:${alice}`, "person:42"] });
    expect(await access.review(names[code] ?? "", id)).toMatchObject({ status: 403, body: { code } });
    expect((await access.request(id)).state).toBe("pending");
    expect(await access.acts(id)).toEqual(["access_request.created"]);
  });

  test("that denies needs no recent sign-in", async () => {
    const id = await asked();
    access.person("old", ["dba"], { signedInAt: undefined });
    expect(await access.review("old", id, "deny")).toMatchObject({ body: { state: "denied" } });
  });

  test("counts no more when its person has lost the group or is locked since", async () => {
    const id = await asked(from("group: dba, count: 2"));
    access.person("eve", ["dba"]);
    await access.review("eve", id);
    await access.platform.database.prisma.lock.create({
      data: { kind: "principal", subject: "eve", reason: "left", createdBy: "olga" },
    });
    expect(await access.review("bob", id)).toMatchObject({
      body: {
        state: "pending",
        review: { votes: [{ principal: "eve", counts: false }, { principal: "bob" }] },
      },
    });
    expect(await access.review("carol", id)).toMatchObject({ body: { state: "approved" } });
  });

  test("goes by the policy as it was when it was asked", async () => {
    const id = await asked(from("group: dba, count: 2"), { duration: "3h" });
    await policy(from("group: nobody, count: 1").replace("4h", "1h"));
    expect(await access.review("bob", id)).toMatchObject({ body: { state: "pending" } });
    const { body } = await access.review("carol", id);
    expect(body).toMatchObject({ state: "approved" });
    const { startsAt, endsAt } = await access.grant(body.grantId);
    expect(Date.parse(endsAt) - Date.parse(startsAt)).toBe(180 * MINUTE);
  });

  test("is not possible when the policy is gone, or the target; denying is", async () => {
    const id = await asked();
    await access.platform.database.prisma.policy.delete({ where: { name: `${target}-write` } });
    expect(await access.review("bob", id)).toMatchObject({
      status: 422,
      body: { code: "access_not_requestable", detail: expect.stringContaining("deny the request") as string },
    });
    expect((await access.request(id)).review.votes).toEqual([]);
    await policy();
    await access.api.fetch("root", `/api/v1/targets/${target}`, { method: "DELETE" });
    await access.target(target);
    expect(await access.review("bob", id)).toMatchObject({ status: 422 });
    expect(await access.review("bob", id, "deny")).toMatchObject({ status: 200 });
  });

  test.each([
    [{ verdict: "maybe" }],
    [{}],
    [{ verdict: "deny", comment: "x\0" }],
    [{ verdict: "approve", comment: "" }],
    [{ verdict: "approve", edits: {} }],
  ])("is not understood as %j", async (body) => {
    const id = await asked();
    expect(await access.send("bob", "POST", `access-requests/${id}/review`, body)).toMatchObject({
      status: 400,
    });
  });
});

describe("time", () => {
  test("ends a request that nobody decides, also where nothing has acted on that", async () => {
    const id = await asked();
    access.advance(16 * MINUTE);
    expect(await access.review("bob", id)).toMatchObject({ status: 409, body: { code: "already_decided" } });
    expect(await access.request(id)).toMatchObject({ state: "expired", grantId: null });
    expect(await access.events(id)).toEqual(["access_request.created", "access_request.expired"]);
  });

  test("is acted on by the job, and by the sweep where that was lost; once", async () => {
    const [first, second] = [await asked(), (await access.ask(alice, { target, tools: ["b"] })).body.id];
    access.advance(16 * MINUTE);
    await access.api.jobs.runLater("access-request-due", first);
    await access.api.jobs.run("access-sweep");
    await access.api.jobs.run("access-sweep");
    for (const id of [first, second])
      expect(await access.acts(id)).toEqual(["access_request.created", "access_request.expired"]);
  });

  test("does nothing before it has come", async () => {
    const id = await asked();
    await access.api.jobs.runLater("access-request-due", id);
    await access.api.jobs.run("access-sweep");
    expect((await access.request(id)).state).toBe("pending");
  });

  const ESCALATED = REVIEWED.replace("15m", "15m, onExpiry: { escalateTo: { group: leads, count: 1 } }");

  test("asks others where the policy says so, once, and for as long again", async () => {
    const id = await asked(ESCALATED);
    expect(await access.review("dan", id)).toMatchObject({ status: 404 });
    access.advance(16 * MINUTE);
    await access.api.jobs.runLater("access-request-due", id);
    const escalated = await access.request(id, "dan");
    expect(escalated).toMatchObject({
      state: "pending",
      review: { from: [{ group: "leads", count: 1 }], escalated: true },
    });
    expect(Date.parse(escalated.expiresAt)).toBeGreaterThan(access.now().getTime() + 14 * MINUTE);
    expect(await access.review("bob", id)).toMatchObject({ status: 403, body: { code: "not_a_reviewer" } });
    expect((await access.request(id, "bob")).state).toBe("pending");
    access.advance(16 * MINUTE);
    await access.api.jobs.run("access-sweep");
    expect(await access.request(id)).toMatchObject({ state: "expired" });
    expect(await access.events(id)).toEqual([
      "access_request.created",
      "access_request.escalated",
      "access_request.expired",
    ]);
  });

  test("lets those decide who are asked then, also where nothing has acted on it", async () => {
    const id = await asked(ESCALATED);
    access.advance(16 * MINUTE);
    await access.request(id);
    expect(await access.review("dan", id)).toMatchObject({ status: 200, body: { state: "approved" } });
  });

  test("makes complete what one of those who are asked then has approved before", async () => {
    const id = await asked(ESCALATED.replace("count: 1 }]", "count: 2 }]"));
    await access.review("carol", id);
    access.advance(16 * MINUTE);
    await access.api.jobs.runLater("access-request-due", id);
    expect(await access.request(id)).toMatchObject({ state: "approved", decidedBy: "carol" });
  });
});

describe("at once", () => {
  const reviewers = (groups: string[], number: number) =>
    Array.from({ length: number }, (_, index) => {
      const name = `reviewer-${index}`;
      access.person(name, groups);
      return name;
    });

  test("eight reviewers: exactly one decides, and there is one grant", async () => {
    const id = await asked();
    const answers = await Promise.all(reviewers(["dba"], 8).map((name) => access.review(name, id)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array<number>(7).fill(409),
    ]);
    expect(new Set(answers.filter(({ status }) => status === 409).map(({ body }) => body.code))).toEqual(
      new Set(["already_decided"]),
    );
    const grants = await access.platform.database.prisma.accessGrant.count({ where: { requestId: id } });
    expect(grants).toBe(1);
    expect((await access.acts(id)).filter((act) => act === "access_request.approved")).toHaveLength(1);
  });

  test("some approve and some deny: one of them decides", async () => {
    const id = await asked();
    const answers = await Promise.all(
      reviewers(["dba"], 8).map((name, index) => access.review(name, id, index % 2 ? "deny" : "approve")),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const { state } = await access.request(id);
    const grants = await access.platform.database.prisma.accessGrant.count({ where: { requestId: id } });
    expect(grants).toBe(state === "approved" ? 1 : 0);
  });

  test("the accounts of one person: one vote", async () => {
    const id = await asked(from("group: dba, count: 2"));
    const accounts = reviewers(["dba"], 8);
    for (const name of accounts) access.person(name, ["dba"], { identities: [`sub:${name}`, "person:7"] });
    const answers = await Promise.all(accounts.map((name) => access.review(name, id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await access.request(id)).state).toBe("pending");
  });

  test("many vote on many without waiting for each other for ever", { timeout: 30_000 }, async () => {
    await policy(from("group: dba, count: 3"));
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1)
      ids.push((await access.ask(alice, { target, tools: [`t${index}`] })).body.id);
    const voters = reviewers(["dba"], 4);
    const answers = await Promise.all(ids.flatMap((id) => voters.map((name) => access.review(name, id))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
    for (const id of ids) expect(await access.request(id)).toMatchObject({ state: "approved" });
  });

  test("a withdrawal, a review and the end of its time: one of them", async () => {
    const id = await asked();
    const answers = await Promise.all([
      access.send(alice, "POST", `access-requests/${id}/withdraw`),
      access.review("bob", id),
      access.review("carol", id, "deny"),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });
});
