import { randomUUID } from "node:crypto";
import { Test, type TestingModule } from "@nestjs/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CONFIG } from "../config.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { TestJobs } from "../platform/fakes/test-jobs.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { Jobs, Messages } from "../platform/jobs.js";
import { SeenPrincipals } from "../policies/index.js";
import { missingOf, requireReviewer, ReviewsModule, reviewView, ReviewVotes } from "./index.js";

let platform: TestPlatform;
let module: TestingModule;
let votes: ReviewVotes;
let seen: SeenPrincipals;
const clock = new HeldClock();
const nobodyElse = () => Promise.resolve();

beforeAll(async () => {
  platform = await startTestPlatform();
  module = await Test.createTestingModule({ imports: [ReviewsModule] })
    .overrideProvider(CONFIG)
    .useValue(platform.config)
    .overrideProvider(Clock)
    .useValue(clock)
    .overrideProvider(Jobs)
    .useValue(new TestJobs())
    .overrideProvider(Messages)
    .useValue({ publish: nobodyElse, subscribe: nobodyElse })
    .compile();
  votes = module.get(ReviewVotes);
  seen = module.get(SeenPrincipals);
});
afterAll(async () => {
  await module.close();
  await platform.stop();
});
beforeEach(() => clock.advance(60_000));

function person(id: string, said: Partial<Principal> = {}): Principal {
  return {
    id,
    email: undefined,
    groups: ["dba"],
    identities: [`sub:${id}`],
    isMachine: false,
    client: "cli",
    roles: ["user"],
    expiresAt: new Date(clock.at.getTime() + 3_600_000),
    signedInAt: clock.now(),
    ...said,
  };
}
const FROM = [{ group: "dba", count: 1 }];
const asked = (verdict: "approve" | "deny" = "approve") => ({
  from: FROM,
  requester: ["sub:alice", "person:1", "email:alice@example.test"],
  verdict,
  now: clock.now(),
});
const vote = (subject: string, who: Principal, verdict: "approve" | "deny" = "approve") =>
  platform.database.transaction((transaction) =>
    votes.add(transaction, subject, who, { verdict, requester: ["sub:alice"] }),
  );

describe("who may decide", () => {
  test.each([
    ["the requester", person("alice"), "own_request"],
    ["their second account", person("alice2", { identities: ["sub:alice2", "person:1"] }), "own_request"],
    [
      "one with their e-mail",
      person("al", { identities: ["sub:al", "email:alice@example.test"] }),
      "own_request",
    ],
    [
      "the owner of a program that asks",
      person("bob", { identities: ["sub:bob", "sub:alice"] }),
      "own_request",
    ],
    ["somebody of another group", person("bob", { groups: ["dbas"] }), "not_a_reviewer"],
    ["a program", person("bot", { isMachine: true }), "machine_cannot_review"],
    ["somebody who signed in long ago", person("bob", { signedInAt: new Date(0) }), "sign_in_again"],
    [
      "somebody who signs in tomorrow",
      person("bob", { signedInAt: new Date(Date.now() + 86_400_000) }),
      "sign_in_again",
    ],
    [
      "somebody with a sign-in of no date",
      person("bob", { signedInAt: new Date(Number.NaN) }),
      "sign_in_again",
    ],
    ["somebody of whom nobody knows when", person("bob", { signedInAt: undefined }), "sign_in_again"],
  ])("is not %s", (_, who, code) => {
    expect(() => requireReviewer(who, asked())).toThrow(expect.objectContaining({ code }));
  });

  test("is somebody of the group who signed in a moment ago; to deny any sign-in does", () => {
    expect(() => requireReviewer(person("bob"), asked())).not.toThrow();
    expect(() => requireReviewer(person("bob", { signedInAt: undefined }), asked("deny"))).not.toThrow();
  });
});

describe("a vote", () => {
  test("is one a person, whatever accounts they use", async () => {
    const subject = randomUUID();
    await vote(subject, person("bob", { identities: ["sub:bob", "person:7"] }));
    const other = person("bob-admin", { identities: ["sub:bob-admin", "person:7"] });
    await expect(vote(subject, other)).rejects.toMatchObject({ code: "already_voted" });
    await expect(vote(subject, person("bob"), "deny")).rejects.toMatchObject({ code: "already_voted" });
    expect((await votes.of(undefined, [subject])).get(subject)).toHaveLength(1);
  });

  test.each([
    ["of who asked", "gina", { requester: ["sub:gina"] }, "own_request"],
    ["of who has voted", "hugo", { requester: ["sub:alice"] }, "already_voted"],
  ])(
    "is refused to another account %s, also when only an earlier token said so",
    async (_, name, said, code) => {
      const subject = randomUUID();
      const add = (who: Principal) =>
        platform.database.transaction((transaction) =>
          votes.add(transaction, subject, who, { verdict: "approve", ...said }),
        );
      const known = [`person:${name}`];
      for (const id of [name, `${name}-2`])
        seen.seen({
          principal: id,
          client: "api",
          groups: [],
          identities: [`sub:${id}`, "sub:bot", ...known],
        });
      // Whoever uses the same program is somebody else.
      seen.seen({ principal: "ivy", client: "api", groups: ["dba"], identities: ["sub:ivy", "sub:bot"] });
      await seen.settled();
      if (code === "already_voted") await add(person(name));
      await expect(add(person(`${name}-2`))).rejects.toMatchObject({ code });
      await add(person("ivy"));
    },
  );

  test("of one person in both groups fills one place", async () => {
    const subject = randomUUID();
    const from = [
      { group: "dba", count: 1 },
      { group: "leads", count: 1 },
    ];
    await vote(subject, person("bob", { groups: ["dba", "leads"] }));
    const cast = (await votes.of(undefined, [subject])).get(subject) ?? [];
    expect(missingOf(from, cast)).toHaveLength(1);
    await vote(subject, person("carol"));
    expect(missingOf(from, (await votes.of(undefined, [subject])).get(subject) ?? [])).toEqual([]);
  });

  test("counts no more when its person has lost the group, or is locked", async () => {
    const [subject, other] = [randomUUID(), randomUUID()];
    await vote(subject, person("dave"));
    await vote(other, person("erin"));
    await seen.settled();
    clock.advance(1_000);
    seen.seen({ principal: "dave", client: "another", groups: ["staff"] });
    await seen.settled();
    await platform.database.prisma.lock.create({
      data: { kind: "principal", subject: "erin", reason: "left", createdBy: "ada" },
    });
    const cast = await votes.of(undefined, [subject, other]);
    for (const id of [subject, other]) {
      expect(missingOf(FROM, cast.get(id) ?? [])).toEqual(FROM);
      expect(reviewView(FROM, cast.get(id) ?? [], false).votes).toMatchObject([{ counts: false }]);
    }
  });

  test("that denies approves nothing", async () => {
    const subject = randomUUID();
    await vote(subject, person("frank"), "deny");
    expect(missingOf(FROM, (await votes.of(undefined, [subject])).get(subject) ?? [])).toEqual(FROM);
  });
});
