import { EVENT_KINDS } from "@drawbridge/contracts";
import { expect, test } from "vitest";
import { noticeOf } from "./notice.js";

const delivery = (kind: string, data: Record<string, string | null>) => ({
  id: "1",
  kind,
  subject: "a/b",
  event: { at: "now", data },
});

test("a notice says first who wants what and why", () => {
  const data = {
    by: "ada",
    rule: "r",
    method: "tools/call",
    policy: "p",
    target: "shop",
    reason: "why",
    principal: "ada",
  };
  const approval = { state: "pending", preview: "{}", email: "ada@example.test" } as const;
  const { facts } = noticeOf(delivery("approval.requested", data), approval, "https://gate.example");
  expect(facts.slice(0, 4)).toEqual([
    ["Principal", "ada"],
    ["Email", "ada@example.test"],
    ["Target", "shop"],
    ["Reason", "why"],
  ]);
  expect(facts).toHaveLength(8);
});

test("a notice leaves out what is not known and shortens what is long", () => {
  const { facts } = noticeOf(
    delivery("lock.set", { expiresAt: null, reason: "x".repeat(900) }),
    undefined,
    "",
  );
  expect(facts).toHaveLength(1);
  expect(facts[0]?.[1]).toHaveLength(500);
});

test("a notice reads as it runs, and is bounded", () => {
  const preview = `{"sql":"\u202Edelete\u2066\u200F"}${"x".repeat(100_000)}`;
  const approval = { state: "pending", preview, email: undefined } as const;
  const notice = noticeOf(delivery("approval.requested", { reason: "\u202Eon\u061C" }), approval, "");
  expect(notice.preview).toHaveLength(32_000);
  expect(notice.preview).toContain(String.raw`{"sql":"\u202edelete\u2066\u200f"}`);
  expect(notice.facts).toEqual([["Reason", String.raw`\u202eon\u061c`]]);
});

test("a notice has a link where there is something to decide, which its subject cannot change", () => {
  const linkOf = (kind: string) => noticeOf(delivery(kind, {}), undefined, "https://gate.example").link;
  expect(linkOf("approval.requested")).toBe("https://gate.example/approvals/a%2Fb");
  expect(linkOf("lock.set")).toBeUndefined();
});

test.each(EVENT_KINDS)("a notice of %s has a title that people understand", (kind) => {
  expect(noticeOf(delivery(kind, {}), undefined, "").title).toMatch(/^[A-Z][A-Za-z -]{10,}$/);
});
