import { describe, expect, test } from "vitest";

import { type AccessQuestion, automaticApproval } from "./automatic-approval.js";
import type { AskedAccess } from "./conditions/scope.js";
import { type JitAccess, parsePolicy } from "./document.js";
import { NOW } from "./fixtures/policies.js";

const review = { from: [{ group: "leads", count: 1 }], expiresIn: "1d" };
const base: JitAccess = { mode: "jit", activation: "approval", maxDuration: "4h", review };
const request: AskedAccess = { kind: "access", durationSeconds: 3_600, tools: ["get_*"] };

function approve(when: string | undefined, parts: Partial<AccessQuestion> = {}) {
  const question: AccessQuestion = {
    principal: { id: "alice", groups: ["on-call"], email: "alice@example.com", emailVerified: true },
    client: { id: "cli", name: "anything" },
    target: { name: "shop", labels: { env: "production" } },
    request,
    now: NOW,
    ...parts,
  };
  const problems: string[] = [];
  const access = when === undefined ? base : { ...base, automatic: { when } };
  return { approved: automaticApproval(access, question, (problem) => problems.push(problem)), problems };
}

describe("access that nobody has to be asked for", () => {
  test.each([
    '"on-call" in principal.groups',
    'principal.email == "alice@example.com" && client.id == "cli"',
    'target.labels.env == "production" && target.name == "shop"',
    "request.durationSeconds <= 3600 && !has(request.reason)",
    'request.kind == "access" && request.tools.all(glob, glob.startsWith("get_")) && request.tools.size() > 0',
    'now.getHours("UTC") >= 8 && now.getHours("UTC") < 18',
  ])("%s", (when) => {
    expect(approve(when)).toEqual({ approved: true, problems: [] });
  });

  test("reads why and with which ticket it is asked for", () => {
    const said = {
      request: { ...request, kind: "extension", reason: "INC-7 again", ticket: "INC-7" },
    } as const;
    expect(approve('request.reason.contains("INC-") && request.ticket == "INC-7"', said).approved).toBe(true);
    expect(approve('request.kind == "extension"', said).approved).toBe(true);
  });

  test("is none where the policy does not say so, or says otherwise", () => {
    expect(approve(undefined)).toEqual({ approved: false, problems: [] });
    expect(approve("request.durationSeconds < 3600")).toEqual({ approved: false, problems: [] });
  });

  test.each<{ when: string; says: string }>([
    { when: 'request.reason == "x"', says: "request.reason is not known" },
    { when: "target.labels.team == 'x'", says: 'no member "team"' },
    // Past the check of documents, as a row of the database could come.
    { when: "size(args) == 0", says: "not valid any more" },
    { when: 'operation.method == ""', says: "not valid any more" },
    { when: "has(grant.id) || true", says: "not valid any more" },
    { when: 'client.name == "anything"', says: "not valid any more" },
    { when: "principal.id ==", says: "not valid any more" },
    { when: "request.durationSecs == 1", says: "not valid any more" },
  ])("is none where it cannot be decided, and why is told: $when", ({ when, says }) => {
    const { approved, problems } = approve(when);
    expect(approved).toBe(false);
    expect(problems).toEqual([expect.stringContaining(says)]);
  });

  test("is found in bounded time, whatever is asked for", () => {
    const tools = Array.from({ length: 30_000 }, (_, n) => `${"a".repeat(50)}${n}`);
    const when =
      'request.tools.all(t, request.tools.all(u, t.matches("(a|aa)+$") || u.contains(t) || t < u)) || true';
    const before = process.threadCpuUsage();
    const { approved, problems } = approve(when, { request: { ...request, tools } });
    const { user, system } = process.threadCpuUsage(before);
    expect({ approved, problems }).toEqual({
      approved: false,
      problems: ["it costs too much for an operation of this size"],
    });
    expect((user + system) / 1_000).toBeLessThan(100);
  });
});

describe("the documents of just-in-time access", () => {
  const documentOf = (access: unknown, rules: readonly unknown[] = [{ name: "r", effect: "allow" }]) => ({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: "p" },
    spec: { targets: { names: ["shop"] }, subjects: { groups: ["engineering"] }, access, rules },
  });
  const self: JitAccess = { mode: "jit", activation: "self", maxDuration: "4h" };
  const problemsOf = (document: unknown) => {
    const parsed = parsePolicy(document);
    return parsed.ok
      ? []
      : parsed.problems.map(({ path, message }) => `${path.slice(1).join(".")}: ${message}`);
  };
  const ask = (approval: object) => [{ name: "r", effect: "require_approval", approval }];

  test.each<{ what: string; access: unknown; rules?: readonly unknown[] }>([
    {
      what: "all parts",
      access: {
        ...base,
        reason: "required",
        automatic: { when: "request.durationSeconds < 60" },
        whenCalled: "request",
        breakGlass: { responders: { users: ["a@b.c"] }, maxDuration: "90d" },
      },
    },
    {
      what: "the longest times",
      access: { ...base, maxDuration: "90d", review: { ...review, expiresIn: "90d" } },
      rules: ask({ from: [{ group: "a", count: 20 }], expiresIn: "7d" }),
    },
    {
      what: "a rule that reads the grant",
      access: self,
      rules: [{ name: "r", effect: "allow", when: "!grant.breakGlass" }],
    },
  ])("may have $what", ({ access, rules }) => {
    expect(problemsOf(documentOf(access, rules))).toEqual([]);
  });

  test.each<{ what: string; access?: unknown; rules?: readonly unknown[]; says: string }>([
    {
      what: "a review that nobody is asked for",
      access: { ...self, review },
      says: "access.review: remove it, or make activation approval",
    },
    {
      what: "automatic approval where nobody is asked",
      access: { ...self, automatic: { when: "true" } },
      says: "access.automatic: remove it",
    },
    {
      what: "access for longer than a quarter",
      access: { ...self, maxDuration: "91d" },
      says: "access.maxDuration: make it shorter: 90d",
    },
    {
      what: "an emergency for longer",
      access: { ...self, breakGlass: { responders: { groups: ["sre"] }, maxDuration: "2161h" } },
      says: "access.breakGlass.maxDuration: make it shorter",
    },
    {
      what: "an emergency for nobody",
      access: { ...self, breakGlass: { responders: { groups: [], users: [] }, maxDuration: "1h" } },
      says: "access.breakGlass.responders: say who may",
    },
    {
      what: "an emergency for nobody at all",
      access: { ...self, breakGlass: { responders: {}, maxDuration: "1h" } },
      says: "access.breakGlass.responders: say who may",
    },
    {
      what: "requests that wait for longer",
      access: { ...base, review: { ...review, expiresIn: "91d" } },
      says: "access.review.expiresIn: make it shorter",
    },
    {
      what: "calls that wait for more than a week",
      rules: ask({ ...review, expiresIn: "169h" }),
      says: "rules.0.approval.expiresIn: make it shorter: 7d",
    },
    {
      what: "a group that is asked twice",
      rules: ask({
        from: [
          { group: "a", count: 1 },
          { group: "a", count: 2 },
        ],
        expiresIn: "1h",
      }),
      says: "rules.0.approval.from.1.group: put them together",
    },
    {
      what: "more people than there are",
      rules: ask({
        from: [
          { group: "a", count: 11 },
          { group: "b", count: 10 },
        ],
        expiresIn: "1h",
      }),
      says: "rules.0.approval.from: ask fewer",
    },
    {
      what: "a condition about the call",
      access: { ...base, automatic: { when: "args.n == 1" } },
      says: "access.automatic.when: read something else than args",
    },
    {
      what: "a condition about its tool",
      access: { ...base, automatic: { when: 'tool.name == "t"' } },
      says: "read something else than tool",
    },
    {
      what: "a condition about its commands",
      access: { ...base, automatic: { when: "sql.readOnly || shell.readOnly" } },
      says: "read something else than shell",
    },
    {
      what: "a condition about the session",
      access: { ...base, automatic: { when: "session.calls < 3" } },
      says: "read something else than session",
    },
    {
      what: "a condition about the operation",
      access: { ...base, automatic: { when: 'operation.method == "a"' } },
      says: "read something else than operation",
    },
    {
      what: "a condition about the grant",
      access: { ...base, automatic: { when: "grant.breakGlass" } },
      says: "read something else than grant",
    },
    {
      what: "a condition about what a client claims",
      access: { ...base, automatic: { when: 'client.name == "a"' } },
      says: "client.name is only claimed",
    },
    {
      what: "a condition of a wrong type",
      access: { ...base, automatic: { when: "request.durationSeconds" } },
      says: "not to a bool",
    },
    {
      what: "a condition that misspells",
      access: { ...base, automatic: { when: "request.durationSecond < 1" } },
      says: "is it durationSeconds?",
    },
    {
      what: "a rule that reads the request",
      rules: [{ name: "r", effect: "deny", when: 'request.kind == "access"' }],
      says: "rules.0.when: read something else: only a condition of access.automatic has request",
    },
    {
      what: "a rule that reads a grant where there is none",
      rules: [{ name: "r", effect: "deny", when: "has(grant.id)" }],
      says: "rules.0.when: leave grant out",
    },
  ])("may not have $what", ({ access, rules, says }) => {
    const problems = problemsOf(documentOf(access, rules));
    expect(problems.filter((problem) => problem.includes(says))).toHaveLength(1);
  });

  test("count the patterns of all their conditions together", () => {
    const rules = Array.from({ length: 100 }, (_, n) => ({
      name: `r${n}`,
      effect: "deny",
      when: `args.a.matches("x${n}")`,
    }));
    expect(problemsOf(documentOf(self, rules))).toEqual([]);
    const automatic = { when: 'request.reason.matches("y")' };
    expect(
      problemsOf(documentOf({ ...base, automatic }, [...rules, { name: "last", effect: "allow" }])),
    ).toEqual([expect.stringContaining("more than 100 patterns")]);
  });
});
