import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Principal } from "../identity/index.js";
import { type AccessUnderTest, REVIEWED, startAccessUnderTest } from "./fakes/access-under-test.js";
import { AccessRequests, type AccessToFile } from "./index.js";

const FILED = REVIEWED.replace("4h,", "4h, whenCalled: request,");
let access: AccessUnderTest;
let target: { id: string; name: string };
let alice: Principal;
let count = 0;

beforeAll(async () => {
  access = await startAccessUnderTest();
});
afterAll(() => access.stop());
beforeEach(async () => {
  count += 1;
  const name = `shop-${count}`;
  target = { id: await access.target(name), name };
  access.person("bob", ["dba"]);
  alice = {
    id: `alice-${count}`,
    email: undefined,
    groups: ["engineering"],
    identities: [`sub:alice-${count}`],
    isMachine: false,
    client: "editor",
    roles: ["user"],
    expiresAt: new Date(access.now().getTime() + 3_600_000),
    signedInAt: undefined,
  };
});

const requests = () => access.api.app.get(AccessRequests);
const policy = (terms = FILED, name = target.name) => access.policy(name, target.name, terms);
const file = (said: Partial<AccessToFile> = {}) =>
  requests().file({
    principal: alice,
    target,
    tools: ["execute_sql"],
    reason: "called execute_sql",
    sessionId: randomUUID(),
    policies: [target.name],
    ...said,
  });

describe("a request that a call files", () => {
  test("waits for the reviewers of the policy, and says where they decide", async () => {
    await policy();
    const filed = await file();
    expect(filed).toMatchObject({
      state: "pending",
      url: `http://127.0.0.1:8080/access-requests/${filed.id}`,
      missing: [{ group: "dba", count: 1 }],
      decidedBy: undefined,
    });
    expect(filed.expiresAt.getTime()).toBeGreaterThan(access.now().getTime());
    expect(await access.request(filed.id)).toMatchObject({
      principal: alice.id,
      tools: ["execute_sql"],
      reason: "called execute_sql",
      durationSeconds: 4 * 3_600,
    });
  });

  test("is joined by the calls that need the same, and by no others", async () => {
    await policy();
    const filed = await Promise.all([file(), file(), file({ reason: "again" })]);
    expect(new Set(filed.map(({ id }) => id)).size).toBe(1);
    expect((await file({ tools: ["other"] })).id).not.toBe(filed[0].id);
    expect((await file({ principal: { ...alice, id: "somebody-else" } })).id).not.toBe(filed[0].id);
  });

  test("is approved at once where nobody has to be asked", async () => {
    await policy("{ mode: jit, activation: self, maxDuration: 1h, whenCalled: request }");
    expect(await file()).toMatchObject({ state: "approved", decidedBy: "policy", missing: [] });
  });

  test("is only made under a policy that says so and would help", async () => {
    await policy(REVIEWED);
    await policy(FILED, `${target.name}-other`);
    await expect(file()).rejects.toMatchObject({ code: "access_not_requestable" });
    await expect(file({ policies: [] })).rejects.toMatchObject({ code: "access_not_requestable" });
    expect(await file({ policies: [target.name, `${target.name}-other`] })).toMatchObject({
      state: "pending",
    });
  });

  test.each<[string, () => Partial<AccessToFile>]>([
    ["another target of the same name", () => ({ target: { ...target, id: randomUUID() } })],
    ["a tool with NUL in its name", () => ({ tools: ["a\0"] })],
    ["a tool with half a character in its name", () => ({ tools: ["\uD800"] })],
    ["a tool with an endless name", () => ({ tools: ["x".repeat(257)] })],
    ["somebody whom no policy names", () => ({ principal: { ...alice, groups: [] } })],
  ])("is not made for %s", async (_, said) => {
    await policy();
    await expect(file(said())).rejects.toMatchObject({ code: "access_not_requestable" });
  });

  test("keeps no character that Postgres cannot", async () => {
    await policy();
    const { id } = await file({ reason: "called \0 \uD800 here" });
    expect((await access.request(id)).reason).toBe("called \uFFFD \uFFFD here");
  });

  test("is refused while its principal is locked", async () => {
    await policy();
    await access.platform.database.prisma.lock.create({
      data: { kind: "principal", subject: alice.id, reason: "left", createdBy: "olga" },
    });
    await expect(file()).rejects.toMatchObject({ code: "locked" });
  });
});

describe("who waits for it", () => {
  test("hears of its approval, wherever that happens", async () => {
    await policy();
    const { id } = await file();
    const heard = requests().changed(id, new AbortController().signal);
    await access.review("bob", id);
    expect(await heard).toMatchObject({ id, state: "approved", decidedBy: "bob", missing: [] });
  });

  test("hears why it was denied", async () => {
    await policy();
    const { id } = await file();
    await access.review("bob", id, "deny");
    expect(await requests().changed(id, new AbortController().signal)).toMatchObject({
      state: "denied",
      comment: "not today",
    });
  });

  test("hears that nobody decided", async () => {
    await policy();
    const { id } = await file();
    const heard = requests().changed(id, new AbortController().signal);
    access.advance(16 * 60_000);
    await access.api.jobs.run("access-sweep");
    expect(await heard).toMatchObject({ state: "expired", missing: [] });
  });

  test("stops when asked to, and hears how it stands", async () => {
    await policy();
    const { id } = await file();
    const stop = new AbortController();
    const waiting = [requests().changed(id, stop.signal), requests().changed(id, stop.signal)];
    stop.abort();
    expect(await Promise.all(waiting)).toMatchObject([{ state: "pending" }, { state: "pending" }]);
    expect(await requests().changed(id, AbortSignal.abort())).toMatchObject({ state: "pending" });
  });

  test("finds it again; others do not", async () => {
    await policy();
    const { id } = await file();
    expect(await requests().find(id, { principal: alice.id })).toMatchObject({ id, state: "pending" });
    expect(await requests().find(id, { principal: "mallory" })).toBeUndefined();
    expect(await requests().find(randomUUID(), { principal: alice.id })).toBeUndefined();
  });
});
