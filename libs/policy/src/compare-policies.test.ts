import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { comparePolicies } from "./compare-policies.js";
import type { PolicyDocument, PolicyRule } from "./document.js";
import { wholeDocument } from "./fixtures/whole-document.js";

const withSpec = (spec: Partial<PolicyDocument["spec"]>): PolicyDocument => ({
  ...wholeDocument,
  spec: { ...wholeDocument.spec, ...spec },
});
const says = (after: PolicyDocument, before = wholeDocument) =>
  comparePolicies(before, after).map((change) => `${change.change} ${change.path}: ${change.says}`);
const withRule = (name: string, parts: Partial<PolicyRule>) =>
  withSpec({
    rules: wholeDocument.spec.rules.map((rule) => (rule.name === name ? { ...rule, ...parts } : rule)),
  });

describe("comparePolicies", () => {
  test("says nothing of a policy that is the same", () => {
    expect(comparePolicies(wholeDocument, structuredClone(wholeDocument))).toEqual([]);
  });

  test("says nothing of rules that moved, nor of the same in other words", () => {
    expect(says(withSpec({ rules: [...wholeDocument.spec.rules].reverse() }))).toEqual([]);
    expect(says(withRule("read", { methods: ["tools/call"] }))).toEqual([]);
    expect(
      says(
        withRule("read", {
          limits: [{ per: "principal", calls: "500/h", resultBytes: "50MiB/h", concurrent: 4 }],
        }),
      ),
    ).toEqual([]);
    const { access: _access, ...spec } = wholeDocument.spec;
    expect(says({ ...wholeDocument, spec })).toEqual([]);
  });

  test("says every part of a policy that is new", () => {
    expect(
      comparePolicies(undefined, wholeDocument).map(({ path, says: line }) => `${path}: ${line}`),
    ).toEqual([
      "spec.targets: for targets: names shop, labels env=production",
      "spec.subjects: for subjects: groups engineering",
      "spec.access: access is standing",
      "spec.rules.no-destruction: denies tools/call, tools execute_* when sql.parsed && (sql.ddl || sql.deletesAll || sql.privileges)",
      "spec.rules.ask-before-writing: asks for approval of tools/call, tools execute_* when sql.writes by 1 of dba within 15m, then asks 1 of leads",
      'spec.rules.read: allows tools/call, tools execute_*, search_objects when sql.readOnly || tool.name == "search_objects" within 500/h calls, 50MiB/h of results, 4 at the same time per principal',
    ]);
  });

  test.each<{ what: string; after: PolicyDocument; before?: PolicyDocument; line: string }>([
    {
      what: "subjects",
      after: withSpec({ subjects: { groups: ["ops"], users: ["a@b.c"] } }),
      line: "changed spec.subjects: groups: adds ops; groups: removes engineering; users: adds a@b.c",
    },
    {
      what: "targets",
      after: withSpec({ targets: { names: ["shop"], labels: { env: "staging" } } }),
      line: "changed spec.targets: labels: adds env=staging; labels: removes env=production",
    },
    {
      what: "access",
      after: withSpec({ access: { mode: "jit", activation: "self", maxDuration: "4h" } }),
      line: "changed spec.access: access is standing, now access is just in time, activated by self, for at most 4h",
    },
    {
      what: "access that is given in other ways",
      after: withSpec({ access: { mode: "standing" } }),
      before: withSpec({
        access: {
          mode: "jit",
          activation: "approval",
          maxDuration: "4h",
          reason: "required",
          review: { from: [{ group: "leads", count: 2 }], expiresIn: "1d" },
          automatic: { when: "request.durationSeconds\n <= 3600" },
          whenCalled: "request",
          breakGlass: { responders: { groups: ["sre"] }, maxDuration: "1h" },
        },
      }),
      line: "changed spec.access: access is just in time, activated by approval, for at most 4h; a reason: required; the review: 2 of leads within 1d, then denied; automatic approval: when request.durationSeconds <= 3600; a call without a grant: held while it is asked for; break-glass access: for groups sre, for at most 1h, now access is standing",
    },
    {
      what: "parts of access",
      before: withSpec({
        access: {
          mode: "jit",
          activation: "approval",
          maxDuration: "4h",
          review: { from: [{ group: "leads", count: 2 }], expiresIn: "1d" },
        },
      }),
      after: withSpec({
        access: {
          mode: "jit",
          activation: "approval",
          maxDuration: "8h",
          reason: "required",
          review: {
            from: [{ group: "leads", count: 1 }],
            expiresIn: "1d",
            onExpiry: { escalateTo: { group: "cto", count: 1 } },
          },
          automatic: { when: "request.durationSeconds <= 60" },
          whenCalled: "request",
          breakGlass: { responders: { users: ["a@b.c"] }, maxDuration: "1h" },
        },
      }),
      line: "changed spec.access: the longest was 4h, now 8h; a reason was optional, now required; the review was 2 of leads within 1d, then denied, now 1 of leads within 1d, then asks 1 of cto; automatic approval was none, now when request.durationSeconds <= 60; a call without a grant was told how to ask, now held while it is asked for; break-glass access was none, now for users a@b.c, for at most 1h",
    },
    {
      what: "who approves",
      after: withRule("ask-before-writing", {
        approval: { from: [{ group: "dba", count: 2 }], expiresIn: "15m" },
      }),
      line: "changed spec.rules.ask-before-writing: approval was by 1 of dba within 15m, then asks 1 of leads, now by 2 of dba within 15m, then denied",
    },
    {
      what: "an effect",
      after: withRule("no-destruction", { effect: "allow" }),
      line: "changed spec.rules.no-destruction: denies, now allows",
    },
    {
      what: "a condition",
      after: withRule("ask-before-writing", { when: "sql.writes ||\n sql.ddl" }),
      line: "changed spec.rules.ask-before-writing: condition was sql.writes, now sql.writes || sql.ddl",
    },
    {
      what: "tools",
      after: withRule("read", { tools: ["execute_*"] }),
      line: "changed spec.rules.read: tools: removes search_objects",
    },
    {
      what: "limits",
      after: withRule("read", { limits: { per: "tool", calls: "1/s" } }),
      line: "changed spec.rules.read: limits were 500/h calls, 50MiB/h of results, 4 at the same time per principal, now 1/s calls per tool",
    },
    {
      what: "a rule that is gone",
      after: withSpec({ rules: wholeDocument.spec.rules.slice(1) }),
      line: "removed spec.rules.no-destruction: no longer denies tools/call, tools execute_* when sql.parsed && (sql.ddl || sql.deletesAll || sql.privileges)",
    },
    {
      what: "a rule that is new",
      after: withSpec({ rules: [...wholeDocument.spec.rules, { name: "more", effect: "allow" }] }),
      line: "added spec.rules.more: allows tools/call",
    },
  ])("says what became of $what", ({ after, before, line }) => {
    expect(says(after, before)).toEqual([line]);
  });

  test("says lines that are short, whatever the policy holds", () => {
    const text = fc.string({ minLength: 1, maxLength: 5000, unit: "binary" });
    const rule = fc.record({
      name: fc.constantFrom("a", "b"),
      effect: fc.constantFrom("allow", "deny"),
      tools: fc.array(text, { minLength: 1, maxLength: 50 }),
      when: text,
    });
    fc.assert(
      fc.property(fc.array(rule), fc.array(rule), (before, after) => {
        const changes = comparePolicies(
          withSpec({ rules: before as PolicyRule[] }),
          withSpec({ rules: after as PolicyRule[] }),
        );
        for (const change of changes) {
          expect(change.says.length).toBeLessThan(5_000);
          expect(change.says).not.toMatch(/[\n\r\0]/);
        }
      }),
      { numRuns: 30 },
    );
  });
});
