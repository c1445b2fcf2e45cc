import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AccessRequestView, GrantPage, type GrantView } from "@drawbridge/contracts";
import { type AccessUnderTest, REVIEWED, startAccessUnderTest } from "./fakes/access-under-test.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SELF = "{ mode: jit, activation: self, maxDuration: 4h }";
const EMERGENCY = REVIEWED.replace(
  "4h,",
  "4h, breakGlass: { responders: { groups: [on-call], users: [Rosa@example.test] }, maxDuration: 1h },",
);
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
  access.person(alice, ["engineering", "on-call"], { identities: [`sub:${alice}`, `person:${count}`] });
  access.person("bob", ["dba"]);
  access.person("mallory", ["engineering"]);
  await access.target(target);
});

const policy = (terms = REVIEWED) => access.policy(`${target}-write`, target, terms);
const post = <Body = GrantView>(as: string, id: string, act: string, body?: object) =>
  access.send<Body>(as, "POST", `grants/${id}/${act}`, body);
const extend = (id: string, asked: object = { duration: "1h" }, as = alice) =>
  post<AccessRequestView>(as, id, "extend", asked);

/** Access that bob has approved; resolves with the grant. */
async function granted(asked: object = { duration: "1h" }): Promise<GrantView> {
  await policy();
  const { body } = await access.ask(alice, { target, ...asked });
  return access.grant((await access.review("bob", body.id)).body.grantId);
}

async function emergency(asked: object = {}, as = alice): Promise<GrantView> {
  await policy(EMERGENCY);
  const { status, body } = await access.ask(as, {
    target,
    breakGlass: true,
    reason: "everything burns",
    ...asked,
  });
  expect(status).toBe(201);
  return access.grant(body.grantId);
}

describe("a grant", () => {
  test("ends when its time is over, also before that is written down, and once", async () => {
    const { id } = await granted();
    access.advance(HOUR + 1);
    expect((await access.grant(id)).state).toBe("ended");
    expect(await access.acts(id)).toEqual(["grant.started"]);
    await access.api.jobs.runLater("access-grant-over", id);
    await access.api.jobs.run("access-sweep");
    expect(await access.grant(id)).toMatchObject({ state: "ended", endedBy: "system" });
    expect(await access.events(id)).toEqual(["grant.started", "grant.ended"]);
    expect(await post(alice, id, "return")).toMatchObject({
      status: 409,
      body: { code: "grant_not_active" },
    });
  });

  test("whose end nothing has to act on moves no epoch", async () => {
    await granted();
    await access.api.jobs.run("access-sweep");
    const epoch = async () =>
      (await access.platform.admin.query<{ value: string }>("select value from authorization_epoch")).rows[0]
        ?.value;
    const before = await epoch();
    await access.api.jobs.run("access-sweep");
    expect(await epoch()).toBe(before);
  });

  test("is returned by its holder, once", async () => {
    const { id } = await granted();
    expect(await post("bob", id, "return")).toMatchObject({ status: 403, body: { code: "not_permitted" } });
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(alice, id, "return")));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409]);
    expect(await access.grant(id)).toMatchObject({ state: "returned", endedBy: alice });
    expect(await access.events(id)).toEqual(["grant.started", "grant.returned"]);
  });

  test.each(["bob", "olga"])("is revoked by %s, with the reason", async (as) => {
    const { id } = await granted();
    expect(await post(as, id, "revoke")).toMatchObject({ status: 400 });
    expect(await post(as, id, "revoke", { reason: "incident over" })).toMatchObject({
      status: 200,
      body: { state: "revoked", endedBy: as, endReason: "incident over" },
    });
    expect(await post(as, id, "revoke", { reason: "again" })).toMatchObject({ status: 409 });
    expect(await access.acts(id)).toEqual(["grant.started", "grant.revoked"]);
  });

  test("is revoked by nobody who may only look, and unknown to everybody else", async () => {
    const { id } = await granted();
    const reason = { reason: "because" };
    expect(await post("audrey", id, "revoke", reason)).toMatchObject({ status: 403 });
    expect(await post(alice, id, "revoke", reason)).toMatchObject({ status: 403 });
    for (const act of ["return", "revoke", "extend", "review"]) {
      const body = {
        revoke: reason,
        extend: { duration: "1h" },
        review: { verdict: "accept", comment: "x" },
      };
      for (const [as, other] of [
        ["mallory", id],
        ["olga", randomUUID()],
      ] as const) {
        expect(await post(as, other, act, body[act as keyof typeof body])).toMatchObject({
          status: 404,
          body: { code: "grant_not_found" },
        });
      }
    }
    expect(await access.send("mallory", "GET", `grants/${id}`)).toMatchObject({ status: 404 });
    expect(await access.send("mallory", "GET", "grants/%00")).toMatchObject({ status: 400 });
    for (const query of ["principal=%00", "principal=%0A%1b", "target=%00", "cursor=AA"])
      expect(await access.send("audrey", "GET", `grants?${query}`)).toMatchObject({ status: 400 });
  });

  test("that has not begun is returned as well", async () => {
    const startsAt = new Date(access.now().getTime() + DAY).toISOString();
    const { id } = await granted({ startsAt });
    expect(await post(alice, id, "return")).toMatchObject({ body: { state: "returned" } });
  });

  test("is listed to its holder, to who was asked about it and to who sees all, by state", async () => {
    const first = await granted();
    const later = await granted({ startsAt: new Date(access.now().getTime() + DAY).toISOString() });
    const gone = await granted({ tools: ["x"] });
    await post(alice, gone.id, "return");
    const list = async (as: string, query = "") => {
      const { body } = await access.send(as, "GET", `grants?target=${target}&${query}`);
      return GrantPage.parse(body).items.map(({ id }) => id);
    };
    for (const as of [alice, "bob", "audrey"])
      expect((await list(as)).toSorted()).toEqual([first.id, later.id, gone.id].toSorted());
    expect(await list("mallory")).toEqual([]);
    expect(await list("bob", "mine=true")).toEqual([]);
    expect(await list(alice, "state=active")).toEqual([first.id]);
    expect(await list(alice, "state=scheduled")).toEqual([later.id]);
    expect(await list(alice, "state=returned")).toEqual([gone.id]);
    expect(await list("audrey", "principal=nobody")).toEqual([]);
    expect(await list("audrey", "review=open")).toEqual([]);
    access.advance(HOUR + MINUTE);
    expect(await list(alice, "state=ended")).toEqual([first.id]);
    expect(await list("audrey", "limit=1")).toHaveLength(1);
  });
});

describe("more time", () => {
  test("is asked for and reviewed like the first, and counted from the end", async () => {
    const grant = await granted();
    const { status, body } = await extend(grant.id, { duration: "2h", reason: "not done" });
    expect(status).toBe(201);
    expect(body).toMatchObject({ kind: "extension", state: "pending", grantId: grant.id });
    expect((await access.grant(grant.id)).endsAt).toBe(grant.endsAt);
    expect(await access.review("bob", body.id)).toMatchObject({
      body: { state: "approved", grantId: grant.id },
    });
    const extended = await access.grant(grant.id);
    expect(Date.parse(extended.endsAt) - Date.parse(grant.endsAt)).toBe(2 * HOUR);
    expect(extended).toMatchObject({ state: "active", startsAt: grant.startsAt });
    expect(access.putOff().filter(({ subject }) => subject === grant.id)).toHaveLength(2);
  });

  test("is asked for by the holder only, and once at a time", async () => {
    const { id } = await granted();
    expect(await extend(id, { duration: "1h" }, "bob")).toMatchObject({ status: 403 });
    expect(await extend(id)).toMatchObject({ status: 201 });
    expect(await extend(id)).toMatchObject({ status: 409, body: { code: "access_request_pending" } });
  });

  test("is at most what the policy gives", async () => {
    const { id } = await granted();
    expect(await extend(id, { duration: "5h" })).toMatchObject({ status: 422 });
    expect(await extend(id, { duration: "0s" })).toMatchObject({ status: 400 });
    expect(await extend(id, {})).toMatchObject({ status: 400 });
  });

  test("is not given to a grant that is over, also when it was asked for in time", async () => {
    const { id } = await granted();
    const { body } = await extend(id);
    await post(alice, id, "return");
    expect(await access.review("bob", body.id)).toMatchObject({
      status: 409,
      body: { code: "grant_not_active" },
    });
    expect(await access.request(body.id)).toMatchObject({ state: "pending", review: { votes: [] } });
    expect((await access.grant(id)).state).toBe("returned");
    expect(await extend(id)).toMatchObject({ status: 409, body: { code: "grant_not_active" } });
  });

  test("that can be given to nobody any more waits for those who are asked next, and can be looked at", async () => {
    const escalating = "15m, onExpiry: { escalateTo: { group: leads, count: 1 } }";
    await policy(REVIEWED.replace("15m", escalating).replace("count: 1 }]", "count: 2 }]"));
    access.person("lea", ["dba", "leads"]);
    const first = await access.ask(alice, { target, duration: "1h" });
    await access.review("lea", first.body.id);
    const { grantId } = (await access.review("bob", first.body.id)).body;
    const { body } = await extend(grantId ?? "");
    await access.review("lea", body.id);
    await post(alice, grantId ?? "", "return");
    access.advance(16 * MINUTE);
    await access.api.jobs.run("access-sweep");
    expect(await access.request(body.id)).toMatchObject({ state: "pending", review: { escalated: true } });
    expect((await access.grant(grantId)).state).toBe("returned");
  });

  test("never makes a grant last for more than 90 days, and never shortens it", async () => {
    await policy(REVIEWED.replace("4h", "60d"));
    const { body } = await access.ask(alice, { target });
    const { id, startsAt } = await access.grant((await access.review("bob", body.id)).body.grantId);
    const more = await extend(id, { duration: "60d" });
    await access.review("bob", more.body.id);
    const cap = Date.parse(startsAt) + 90 * DAY;
    expect(Date.parse((await access.grant(id)).endsAt)).toBe(cap);
    const again = await extend(id, { duration: "1h" });
    expect(await access.review("bob", again.body.id)).toMatchObject({
      status: 422,
      body: { code: "access_request_invalid" },
    });
    expect(Date.parse((await access.grant(id)).endsAt)).toBe(cap);
  });

  test("where nobody is asked ends no later than access that begins now would", async () => {
    await policy(SELF);
    const { body } = await access.ask(alice, { target, duration: "3h" });
    const id = body.grantId ?? "";
    access.advance(2 * HOUR);
    for (let index = 0; index < 3; index += 1) await extend(id, { duration: "4h" });
    const { endsAt } = await access.grant(id);
    expect(Date.parse(endsAt)).toBeLessThanOrEqual(access.now().getTime() + 4 * HOUR);
    expect(Date.parse(endsAt)).toBeGreaterThan(access.now().getTime() + 4 * HOUR - MINUTE);
  });

  test("of an emergency is for people to give, whatever the policy gives without them", async () => {
    const automatic = EMERGENCY.replace("4h,", "4h, automatic: { when: 'true' },");
    await policy(automatic);
    const { body } = await access.ask(alice, { target, breakGlass: true, reason: "everything burns" });
    const before = await access.grant(body.grantId);
    expect(await extend(before.id, { duration: "4h" })).toMatchObject({
      status: 201,
      body: { state: "pending" },
    });
    expect((await access.grant(before.id)).endsAt).toBe(before.endsAt);
    await policy(SELF);
    expect(await extend(before.id, { duration: "2h" })).toMatchObject({
      status: 422,
      body: { code: "access_request_invalid" },
    });
    expect((await access.grant(before.id)).endsAt).toBe(before.endsAt);
  });

  test("goes by what the policy says now", async () => {
    const { id } = await granted();
    await access.platform.database.prisma.policy.delete({ where: { name: `${target}-write` } });
    expect(await extend(id)).toMatchObject({ status: 422, body: { code: "access_not_requestable" } });
    await policy(SELF);
    expect(await extend(id)).toMatchObject({ status: 201, body: { state: "approved", decidedBy: "policy" } });
  });
});

describe("breaking the glass", () => {
  test("gives access at once, loudly, and leaves it to be reviewed", async () => {
    const grant = await emergency();
    expect(grant).toMatchObject({
      kind: "break_glass",
      state: "active",
      reviewState: "open",
      reason: "everything burns",
    });
    expect(Date.parse(grant.endsAt) - Date.parse(grant.startsAt)).toBe(HOUR);
    expect(await access.events(grant.id)).toEqual(["break_glass.used"]);
    expect(await access.acts(grant.id)).toEqual(["break_glass.used"]);
    expect(await access.events(grant.requestId)).toEqual([]);
    expect(await access.request(grant.requestId ?? "")).toMatchObject({
      kind: "break_glass",
      state: "approved",
      decidedBy: "policy",
    });
    const { rows } = await access.platform.admin.query(
      "select groups, data from live_event where subject = $1",
      [grant.id],
    );
    expect(rows).toMatchObject([{ groups: ["dba"], data: { by: alice, reviewState: "open", target } }]);
  });

  test.each([
    ["no reason", {}],
    ["a short one", { reason: "fire! " }],
    ["one that is long and says little", { reason: `f${" ".repeat(20)}${"\u3164\u200b".repeat(10)}` }],
    ["a start in the future", { reason: "everything burns", startsAt: "2100-01-01T00:00:00Z" }],
    ["more time than the policy gives", { reason: "everything burns", duration: "61m" }],
  ])("is refused with %s", async (_, asked) => {
    await policy(EMERGENCY);
    expect(await access.ask(alice, { target, breakGlass: true, ...asked })).toMatchObject({
      status: 422,
      body: { code: "access_request_invalid" },
    });
  });

  test("is for the people whom the policy names", async () => {
    await policy(EMERGENCY);
    const ask = (as: string) => access.ask(as, { target, breakGlass: true, reason: "everything burns" });
    expect(await ask("mallory")).toMatchObject({ status: 422, body: { code: "access_not_requestable" } });
    access.person("bot", ["engineering", "on-call"], { isMachine: true });
    expect(await ask("bot")).toMatchObject({ status: 422, body: { code: "access_not_requestable" } });
    access.person("rosa", ["engineering"], { email: "rosa@EXAMPLE.test" });
    expect(await ask("rosa")).toMatchObject({ status: 201 });
    access.person("on-call-only", ["on-call"]);
    expect(await ask("on-call-only")).toMatchObject({ status: 422 });
  });

  test.each([
    ["accept", "accepted", "bob"],
    ["object", "objected", "audrey"],
  ])("is reviewed by somebody else afterwards: %s", async (verdict, reviewState, as) => {
    const { id } = await emergency();
    access.advance(2 * HOUR);
    const answer = await post(as, id, "review", { verdict, comment: "I was there" });
    expect(answer).toMatchObject({
      status: 200,
      body: { state: "ended", reviewState, reviewedBy: as, reviewComment: "I was there" },
    });
    expect(await post(as, id, "review", { verdict, comment: "again" })).toMatchObject({
      status: 409,
      body: { code: "already_decided" },
    });
    expect(await access.events(id)).toEqual(["break_glass.used", "break_glass.reviewed"]);
  });

  test("is reviewed once, by one of eight", async () => {
    const { id } = await emergency();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        post(index % 2 ? "bob" : "audrey", id, "review", { verdict: "accept", comment: "fine" }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array<number>(7).fill(409),
    ]);
  });

  test.each([
    ["who broke it", "own_request", () => alice],
    ["their second account", "own_request", () => "second"],
    ["an operator", "not_a_reviewer", () => "olga"],
    ["a program", "machine_cannot_review", () => "bot"],
    ["one who signed in long ago", "sign_in_again", () => "old"],
  ])("is not reviewed by %s", async (_, code, who) => {
    const { id } = await emergency();
    access.person(alice, ["dba"], { identities: [`sub:${alice}`] });
    access.person("second", ["dba"], { identities: ["sub:second", `person:${count}`] });
    access.person("bot", ["dba"], { isMachine: true });
    access.person("old", ["dba"], { signedInAt: undefined });
    expect(await post(who(), id, "review", { verdict: "accept", comment: "fine" })).toMatchObject({
      status: 403,
      body: { code },
    });
    expect((await access.grant(id)).reviewState).toBe("open");
  });

  test("is all that is reviewed", async () => {
    const { id } = await granted();
    expect(await post("bob", id, "review", { verdict: "accept", comment: "fine" })).toMatchObject({
      status: 409,
      body: { code: "already_decided" },
    });
  });
});
