import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AccessRequestPage, AccessRequestView } from "@drawbridge/contracts";
import { type AccessUnderTest, REVIEWED, startAccessUnderTest } from "./fakes/access-under-test.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
let access: AccessUnderTest;
let target: string;
let alice: string;
let count = 0;

beforeAll(async () => {
  access = await startAccessUnderTest(3);
});
afterAll(() => access.stop());
// A target, a policy and somebody of their own for each test.
beforeEach(async () => {
  count += 1;
  target = `shop-${count}`;
  alice = `alice-${count}`;
  access.person(alice, ["engineering"]);
  access.person("bob", ["dba"]);
  access.person("carol", ["dba", "leads"]);
  await access.target(target);
});

const reviewed = () => access.policy(`${target}-write`, target, REVIEWED);
const ask = (asked: object = {}, as = alice) => access.ask(as, { target, ...asked });
const in_ = (milliseconds: number) => new Date(access.now().getTime() + milliseconds).toISOString();

describe("asking for access", () => {
  test("writes down what decides it, and tells the reviewers", async () => {
    await reviewed();
    const { status, body } = await ask({ reason: "ticket 7", ticket: "OPS-7", tools: ["execute_*"] });
    expect(status).toBe(201);
    expect(AccessRequestView.parse(body)).toMatchObject({
      kind: "access",
      state: "pending",
      principal: alice,
      target,
      tools: ["execute_*"],
      policy: `${target}-write`,
      reason: "ticket 7",
      ticket: "OPS-7",
      durationSeconds: 4 * 3_600,
      grantId: null,
      review: { from: [{ group: "dba", count: 1 }], votes: [], missing: [{ group: "dba", count: 1 }] },
    });
    expect(await access.acts(body.id)).toEqual(["access_request.created"]);
    const { rows } = await access.platform.admin.query(
      "select principals, groups, permission, data from live_event where subject = $1",
      [body.id],
    );
    expect(rows).toMatchObject([
      {
        principals: [alice],
        groups: ["dba"],
        permission: "access:read_all",
        data: { target, reason: "ticket 7", reviewers: "1 of dba", principal: alice },
      },
    ]);
    expect(access.putOff()).toContainEqual(
      expect.objectContaining({ name: "access-request-due", subject: body.id }),
    );
  });

  test.each([
    ["a target nobody knows", { target: "nowhere" }, "access_not_requestable"],
    ["a policy that does not give it", { policy: "another" }, "access_not_requestable"],
    [
      "an emergency the policy knows nothing of",
      { breakGlass: true, reason: "everything burns" },
      "access_not_requestable",
    ],
    ["more time than the policy gives", { duration: "5h" }, "access_request_invalid"],
    ["a hundred years", { duration: "999999d" }, "access_request_invalid"],
    ["a start that is over", { startsAt: "2020-01-01T00:00:00Z" }, "access_request_invalid"],
  ])("is refused for %s", async (_, asked, code) => {
    await reviewed();
    expect(await ask(asked)).toMatchObject({ status: 422, body: { code } });
  });

  test("starts at most 30 days ahead", async () => {
    await reviewed();
    expect(await ask({ startsAt: in_(31 * DAY) })).toMatchObject({
      status: 422,
      body: { code: "access_request_invalid", detail: expect.stringContaining("30 days") as string },
    });
    expect(await ask({ startsAt: in_(29 * DAY) })).toMatchObject({ status: 201 });
  });

  test("needs a reason where the policy says so, and says how to give one", async () => {
    await access.policy(`${target}-why`, target, REVIEWED.replace("4h,", "4h, reason: required,"));
    expect(await ask()).toMatchObject({
      status: 422,
      body: { code: "access_request_invalid", detail: expect.stringContaining("--reason") as string },
    });
    expect(await ask({ reason: "  " })).toMatchObject({ status: 400 });
    expect(await ask({ reason: "release 7" })).toMatchObject({ status: 201 });
  });

  test("names a policy where several would give it", async () => {
    await reviewed();
    await access.policy(`${target}-other`, target, REVIEWED);
    expect(await ask()).toMatchObject({
      status: 422,
      body: {
        code: "access_not_requestable",
        detail: expect.stringContaining(`${target}-other, ${target}-write`) as string,
      },
    });
    expect(await ask({ policy: `${target}-other` })).toMatchObject({
      status: 201,
      body: { policy: `${target}-other` },
    });
  });

  test("is not for those whom no policy names", async () => {
    await reviewed();
    expect(await ask({}, "bob")).toMatchObject({ status: 422, body: { code: "access_not_requestable" } });
  });

  test("is refused to who has asked for the same and waits, with its id", async () => {
    await reviewed();
    const { body } = await ask({ tools: ["a", "b"] });
    const again = await ask({ tools: ["b", "a", "b"], reason: "please" });
    expect(again).toMatchObject({ status: 409, body: { code: "access_request_pending" } });
    expect(again.body.detail).toContain(body.id);
    expect(await ask({ tools: ["a"] })).toMatchObject({ status: 201 });
    await access.send(alice, "POST", `access-requests/${body.id}/withdraw`);
    expect(await ask({ tools: ["a", "b"] })).toMatchObject({ status: 201 });
  });

  test("makes one request of eight at once", async () => {
    await reviewed();
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask()));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array<number>(7).fill(409),
    ]);
  });

  test("is bounded: twenty may wait", async () => {
    await reviewed();
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) => ask({ tools: [`tool-${index}`] })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers.find(({ status }) => status !== 201)).toMatchObject({
      status: 429,
      body: { code: "too_many_requests_pending" },
    });
  });

  test.each(["principal", "target"])("is refused while the %s is locked", async (kind) => {
    await reviewed();
    await access.platform.database.prisma.lock.create({
      data: { kind, subject: kind === "target" ? target : alice, reason: "incident 9", createdBy: "olga" },
    });
    expect(await ask()).toMatchObject({ status: 403, body: { code: "locked" } });
  });

  test("with the same idempotency key makes one request", async () => {
    await reviewed();
    const post = async () => {
      const response = await access.api.fetch(alice, "/api/v1/access-requests", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": `ask-${target}` },
        body: JSON.stringify({ target }),
      });
      return { status: response.status, body: (await response.json()) as { id: string } };
    };
    access.api.tokens.set(alice, { groups: ["engineering"] });
    const first = await post();
    expect(first.status).toBe(201);
    expect(await post()).toEqual(first);
  });

  test.each([
    ["NUL in the reason", { reason: "a\0b" }],
    ["an escape sequence in the ticket", { ticket: "\u001b[2J" }],
    ["half a character in the reason", { reason: "\uD800" }],
    ["a tool of nothing", { tools: [""] }],
    ["NUL in a tool", { tools: ["a\0"] }],
    ["no tool of many", { tools: [] }],
    ["too many tools", { tools: Array.from({ length: 101 }, (_, index) => `t${index}`) }],
    ["no time", { duration: "0s" }],
    ["a negative time", { duration: "-1h" }],
    ["a time without a unit", { duration: "60" }],
    ["a start that is no time", { startsAt: "tomorrow" }],
    ["a name with a slash", { target: "../shop" }],
    ["a member nobody knows", { approved: true }],
    ["a reason of 3,000 characters", { reason: "x".repeat(3_000) }],
  ])("is not understood with %s", async (_, asked) => {
    await reviewed();
    expect(await ask(asked)).toMatchObject({ status: 400, body: { code: "invalid_request" } });
  });

  test("of 10 MB is not even read", async () => {
    await reviewed();
    expect(await ask({ reason: "x".repeat(10_000_000) })).toMatchObject({
      status: 413,
      body: { code: "payload_too_large" },
    });
  });

  test("shows reasons as they were written, and tells them masked", async () => {
    await reviewed();
    const secret = "AKIAIOSFODNN7EXAMPLE";
    const { body } = await ask({ reason: `rotate <b>${secret}</b> ünïcode 🙂\nsecond line` });
    expect((await access.request(body.id)).reason).toContain("🙂\nsecond line");
    for (const table of ["live_event", "audit_event"]) {
      const { rows } = await access.platform.admin.query(`select * from ${table} where subject = $1`, [
        body.id,
      ]);
      expect(rows).toHaveLength(1);
      expect(JSON.stringify(rows)).not.toContain(secret);
    }
  });
});

describe("what is told of a request", () => {
  test("holds nothing of a secret that is at the end of what is shown", async () => {
    await access.policy(`${target}-write`, target, REVIEWED);
    const key = `AKIA${"Q3WERTYU".repeat(2)}`;
    const { body } = await ask({ reason: `${"x".repeat(484)} ${key}` });
    for (const table of ["audit_event", "live_event"]) {
      const { rows } = await access.platform.admin.query(`select * from ${table} where subject = $1`, [
        body.id,
      ]);
      expect(rows).toHaveLength(1);
      expect(JSON.stringify(rows)).not.toContain(key.slice(0, 8));
    }
  });
});

describe("access that nobody is asked about", () => {
  test("is there at once where people give it to themselves", async () => {
    await access.policy(`${target}-self`, target, "{ mode: jit, activation: self, maxDuration: 2h }");
    const { body } = await ask({ duration: "1h" });
    expect(body).toMatchObject({ state: "approved", decidedBy: "policy" });
    expect(await access.grant(body.grantId)).toMatchObject({
      kind: "access",
      state: "active",
      principal: alice,
    });
    expect(await access.acts(body.id)).toEqual(["access_request.created", "access_request.approved"]);
    expect(await access.events(body.id)).toEqual(["access_request.approved"]);
    expect(await access.events(body.grantId)).toEqual(["grant.started"]);
  });

  test("is there at once where the policy's condition holds, and asked about where it does not or fails", async () => {
    const when = (condition: string) =>
      access.policy(
        `${target}-auto`,
        target,
        REVIEWED.replace("4h,", `4h, automatic: { when: '${condition}' },`),
      );
    await when('request.durationSeconds <= 3600 && request.ticket.startsWith("OPS-")');
    expect(await ask({ duration: "1h", ticket: "OPS-1" })).toMatchObject({
      body: { state: "approved", decidedBy: "policy" },
    });
    expect(await ask({ duration: "2h", ticket: "OPS-1" })).toMatchObject({ body: { state: "pending" } });
    expect(await ask({ duration: "1h", tools: ["no-ticket"] })).toMatchObject({ body: { state: "pending" } });
    await when('principal.groups.exists(g, g == "on-call")');
    access.person(alice, ["engineering", "on-call"]);
    expect(await ask({ tools: ["other"] })).toMatchObject({ body: { state: "approved" } });
  });

  test("is not booked ahead by a condition that holds now", async () => {
    const automatic = `4h, automatic: { when: 'principal.groups.exists(g, g == "on-call")' },`;
    await access.policy(`${target}-auto`, target, REVIEWED.replace("4h,", automatic));
    access.person(alice, ["engineering", "on-call"]);
    const startsAt = new Date(access.now().getTime() + 20 * 24 * HOUR).toISOString();
    expect(await ask({ startsAt })).toMatchObject({ status: 201, body: { state: "pending", grantId: null } });
    expect(await ask({ tools: ["now"] })).toMatchObject({ body: { state: "approved" } });
  });

  test("is bounded: a hundred grants", async () => {
    await access.policy(`${target}-self`, target, "{ mode: jit, activation: self, maxDuration: 2h }");
    const { body } = await ask({ tools: ["t0"] });
    const { accessGrant } = access.platform.database.prisma;
    const { id: _, ...grant } = await accessGrant.findUniqueOrThrow({ where: { id: body.grantId ?? "" } });
    await accessGrant.createMany({ data: Array.from({ length: 98 }, () => grant) });
    const answers = await Promise.all(["t1", "t2", "t3", "t4"].map((tool) => ask({ tools: [tool] })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 429, 429, 429]);
    access.advance(2 * HOUR);
    expect(await ask({ tools: ["t5"] })).toMatchObject({ status: 201 });
  });
});

describe("requests", () => {
  test("are seen by who asked, by who is asked and by who may see all; by others they do not exist", async () => {
    await reviewed();
    const { body } = await ask();
    access.person("mallory", ["engineering"]);
    for (const as of [alice, "bob", "carol", "olga", "audrey"])
      expect(await access.send(as, "GET", `access-requests/${body.id}`)).toMatchObject({ status: 200 });
    for (const path of ["", "/review", "/withdraw"]) {
      const [method, json] = path ? ["POST", { verdict: "approve" }] : ["GET", undefined];
      for (const [as, id] of [
        ["mallory", body.id],
        ["olga", randomUUID()],
      ] as const) {
        expect(await access.send(as, method, `access-requests/${id}${path}`, json)).toMatchObject({
          status: 404,
          body: { code: "access_request_not_found" },
        });
      }
    }
    expect(await access.send("olga", "GET", "access-requests/1")).toMatchObject({ status: 400 });
  });

  test("are listed newest first, in pages, by state, target and whose they are", async () => {
    await reviewed();
    const ids: string[] = [];
    for (const tool of ["a", "b", "c"]) {
      ids.unshift((await ask({ tools: [tool] })).body.id);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await access.review("bob", ids[1] ?? "");
    const list = async (as: string, query: string) => {
      const { body } = await access.send(as, "GET", `access-requests?target=${target}&${query}`);
      const page = AccessRequestPage.parse(body);
      return { ...page, ids: page.items.map(({ id }) => id) };
    };
    expect((await list("bob", "")).ids).toEqual(ids);
    expect((await list("bob", "mine=true")).ids).toEqual([]);
    expect((await list(alice, "mine=true")).ids).toEqual(ids);
    access.person("mallory", ["engineering"]);
    expect((await list("mallory", "")).ids).toEqual([]);
    expect((await list("audrey", "state=approved")).ids).toEqual([ids[1]]);
    const first = await list("bob", "limit=2&state=pending");
    expect(first.ids).toEqual([ids[0], ids[2]]);
    const page = await list("audrey", "limit=2");
    expect(page.ids).toEqual(ids.slice(0, 2));
    expect((await list("audrey", `limit=2&cursor=${page.nextCursor}`)).ids).toEqual(ids.slice(2));
    expect(await access.send("bob", "GET", "access-requests?cursor=bm8")).toMatchObject({ status: 400 });
  });

  test("are withdrawn by who asked, once", async () => {
    await reviewed();
    const { body } = await ask();
    const withdraw = (as: string) => access.send(as, "POST", `access-requests/${body.id}/withdraw`);
    expect(await withdraw("bob")).toMatchObject({ status: 403, body: { code: "not_permitted" } });
    expect(await withdraw(alice)).toMatchObject({ status: 200, body: { state: "withdrawn" } });
    expect(await withdraw(alice)).toMatchObject({ status: 409, body: { code: "already_decided" } });
    expect(await access.review("bob", body.id)).toMatchObject({ body: { code: "already_decided" } });
    expect(await access.events(body.id)).toEqual(["access_request.created", "access_request.withdrawn"]);
  });
});
