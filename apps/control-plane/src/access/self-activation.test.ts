import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GrantPage } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import { type AccessUnderTest, REVIEWED, startAccessUnderTest } from "./fakes/access-under-test.js";
import { LiveGrants, SelfActivation } from "./index.js";

const HOUR = 3_600_000;
const SELF = "{ mode: jit, activation: self, maxDuration: 4h }";
let access: AccessUnderTest;
let target: { id: string; name: string; labels: Record<string, string> };
let sessionId: string;
let count = 0;

beforeAll(async () => {
  access = await startAccessUnderTest();
});
afterAll(() => access.stop());
beforeEach(async () => {
  count += 1;
  const name = `shop-${count}`;
  target = { id: await access.target(name), name, labels: {} };
  sessionId = randomUUID();
  access.person("alice", ["engineering"]);
});

const alice = (said: Partial<Principal> = {}): Principal => ({
  id: "alice",
  email: undefined,
  groups: ["engineering"],
  identities: ["sub:alice"],
  isMachine: false,
  client: "editor",
  roles: ["user"],
  expiresAt: new Date(access.now().getTime() + HOUR),
  signedInAt: undefined,
  ...said,
});
const service = () => access.api.app.get(SelfActivation);
const activate = (principal = alice(), session = sessionId) =>
  service().activate({ principal, target, sessionId: session });
const policy = (terms = SELF, name = target.name) => access.policy(name, target.name, terms);
async function grants() {
  const { body } = await access.send("audrey", "GET", `grants?target=${target.name}`);
  return GrantPage.parse(body).items;
}
async function epoch(): Promise<bigint> {
  const { rows } = await access.platform.admin.query<{ value: string }>(
    "select value from authorization_epoch",
  );
  return BigInt(rows[0]?.value ?? 0);
}
async function inForce(session: string) {
  const live = await access.api.app.get(LiveGrants).atLeast(await epoch());
  return live.value.of({ principal: "alice", targetId: target.id, sessionId: session }, access.now());
}

describe("opening a session", () => {
  test("gives whoever may give it to themselves a grant for that session, and for no other", async () => {
    await policy();
    await activate();
    const [grant, ...others] = await grants();
    expect(others).toEqual([]);
    expect(grant).toMatchObject({
      kind: "self",
      state: "active",
      principal: "alice",
      policy: target.name,
      sessionId,
      requestId: null,
      tools: [],
    });
    expect(Date.parse(grant?.endsAt ?? "") - Date.parse(grant?.startsAt ?? "")).toBe(4 * HOUR);
    expect(await inForce(sessionId)).toMatchObject([
      { id: grant?.id, policy: target.name, breakGlass: false },
    ]);
    expect(await inForce(randomUUID())).toEqual([]);
    expect(await access.acts(grant?.id ?? "")).toEqual(["grant.started"]);
    expect(await access.events(grant?.id ?? "")).toEqual(["grant.started"]);
  });

  test("gives one grant, however often it is said, also at once", async () => {
    await policy();
    await Promise.all(Array.from({ length: 6 }, () => activate()));
    await activate();
    expect(await grants()).toHaveLength(1);
    await activate(alice(), randomUUID());
    expect(await grants()).toHaveLength(2);
  });

  test.each([
    ["others must agree", REVIEWED],
    ["a reason must be given", SELF.replace("4h", "4h, reason: required")],
    ["access is standing", "{ mode: standing }"],
  ])("gives nothing where %s", async (_, terms) => {
    await policy(terms);
    const before = await epoch();
    await activate();
    expect(await grants()).toEqual([]);
    expect(await epoch()).toBe(before);
  });

  test("gives nothing to who is not in the group by this token, whatever they were before", async () => {
    await policy();
    await activate();
    await activate(alice({ groups: [] }), randomUUID());
    expect(await grants()).toHaveLength(1);
  });

  test("gives nothing where a grant of the whole target is in force; one for some tools is not enough", async () => {
    await policy();
    await access.ask("alice", { target: target.name, duration: "1h", tools: ["read_*"] });
    await activate();
    expect((await grants()).map(({ kind }) => kind).toSorted()).toEqual(["access", "self"]);
    await access.ask("alice", { target: target.name, duration: "1h" });
    await activate(alice(), randomUUID());
    expect((await grants()).map(({ kind }) => kind).toSorted()).toEqual(["access", "access", "self"]);
    access.advance(HOUR + 1);
    await activate(alice(), randomUUID());
    expect((await grants()).filter(({ kind }) => kind === "self")).toHaveLength(2);
  });

  test("gives one grant for each policy that gives it", async () => {
    await policy(SELF, `${target.name}-a`);
    await policy(SELF.replace("4h", "1h"), `${target.name}-b`);
    await policy(REVIEWED, `${target.name}-c`);
    await activate();
    expect((await inForce(sessionId)).map(({ policy: name }) => name).toSorted()).toEqual([
      `${target.name}-a`,
      `${target.name}-b`,
    ]);
    access.advance(HOUR + 1);
    expect((await inForce(sessionId)).map(({ policy: name }) => name)).toEqual([`${target.name}-a`]);
  });

  test("cannot be extended", async () => {
    await policy();
    await activate();
    const [grant] = await grants();
    expect(
      await access.send("alice", "POST", `grants/${grant?.id}/extend`, { duration: "1h" }),
    ).toMatchObject({ status: 422, body: { code: "access_request_invalid" } });
  });
});

describe("the end of a session", () => {
  test("ends what held for it only, and no more", async () => {
    await policy();
    await access.ask("alice", { target: target.name, tools: ["x"] });
    await activate();
    await activate(alice(), randomUUID());
    const start = access.now();
    await access.platform.database.prisma.accessGrant.create({
      data: {
        kind: "repeat",
        principal: "alice",
        targetId: target.id,
        targetName: target.name,
        tools: [],
        policy: target.name,
        sessionId,
        operationDigest: new Uint8Array(32),
        usesLeft: 3,
        startsAt: start,
        endsAt: new Date(start.getTime() + HOUR),
      },
    });
    await service().endOfSession(sessionId);
    const after = await grants();
    expect(
      after
        .filter(({ state }) => state === "ended")
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(["repeat", "self"]);
    expect(
      after
        .filter(({ state }) => state === "active")
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(["access", "self"]);
    const ended = after.find(({ state, kind }) => state === "ended" && kind === "self");
    expect(ended).toMatchObject({ endedBy: "system", endReason: "its session has ended" });
    expect(await access.events(ended?.id ?? "")).toEqual(["grant.started", "grant.ended"]);
  });

  test("without anything of its own moves no epoch", async () => {
    const before = await epoch();
    await service().endOfSession(randomUUID());
    expect(await epoch()).toBe(before);
  });

  test("is noticed by the sweep where its process has died", async () => {
    await policy();
    await activate();
    await access.platform.database.prisma.session.create({
      data: {
        id: sessionId,
        idHash: new Uint8Array(32),
        principal: "alice",
        oauthClient: "editor",
        targetId: target.id,
        targetName: target.name,
        closedAt: null,
      },
    });
    await access.api.jobs.run("access-sweep");
    expect(await grants()).toMatchObject([{ state: "active" }]);
    await access.platform.database.prisma.session.update({
      where: { id: sessionId },
      data: { closedAt: access.now(), closeReason: "restart" },
    });
    await access.api.jobs.run("access-sweep");
    expect(await grants()).toMatchObject([{ state: "ended" }]);
  });
});
