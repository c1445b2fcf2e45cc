import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { DomainError } from "../platform/errors.js";
import { readPolicy } from "./policy-source.js";

const LONGEST = 262_144;

const POLICY = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: readers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  rules:
    - name: read
      effect: allow
`;

function refusalOf(source: string): DomainError {
  try {
    readPolicy(source);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error("it was read");
}

describe("a hostile document", () => {
  const unit = [
    "[",
    "{",
    "]",
    "- ",
    "? ",
    ": ",
    "a: ",
    "a:\n",
    "[a: b,",
    "{a,",
    "- a\n",
    "? -\n",
    "\n",
    "\t",
    '"',
    "'a' ",
    "|\n",
    "&a ",
    "*a ",
    "!a ",
    "---\n",
    "%a\n",
    "\0",
    "\ud800",
    '"\\',
    "[],",
  ];
  const cases = unit.flatMap((text) => ["", "a: ", "[", "\n "].map((start) => ({ start, text })));

  // Processor time: what else the machine does does not count. The slowest takes 40 ms; before there were limits it was 2 s.
  test.each(cases)("of $start and then $text over and over is refused at once", ({ start, text }) => {
    const source = (start + text.repeat(LONGEST)).slice(0, LONGEST);
    const before = process.threadCpuUsage();
    const refusal = refusalOf(source);
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(400);
    expect(refusal.code).toBe("policy_invalid");
    expect(refusal.problems.length).toBeGreaterThan(0);
    expect(refusal.problems.length).toBeLessThanOrEqual(50);
    expect(JSON.stringify(refusal.problems).length).toBeLessThan(20_000);
  });
});

test.each([
  ["262,144 opening brackets", "[".repeat(LONGEST), /nested more than 64 deep/, 1],
  ["deep block sequences", `a:\n${"- ".repeat(1_000)}x`, /nested more than 64 deep/, 2],
  ["a key twice", `${POLICY}      effect: deny\n`, /"effect" is there twice/, 10],
  ["a key twice, written otherwise", `1: a\n"1": b\n`, /"1" is there twice/, 2],
  ["an alias", "a: &a x\nb: *a\n", /aliases/, 2],
  ["a tab as indentation", "a:\n\tb: c\n", /[Tt]ab/, 2],
  ["a NUL", "a: b\nc: d\0\n", /NUL/, 2],
  ["an escaped NUL", 'a: b\nc: "\\0"\n', /NUL/, 2],
  ["half of a surrogate pair", 'a: "\\ud800"\n', /half of a character/, 1],
  ["a NUL in a key", 'a: b\n"c\\0": d\n', /NUL/, 2],
  ["a list as a key", "? [a]\n: b\n", /a key must be a text/, 1],
  ["several documents", `${POLICY}---\n${POLICY}`, /several documents/, 10],
  ["a directive", "%YAML 1.1\n---\na: b\n", /directives/, 1],
  ["a tag nobody knows", "a: !secret b\n", /[Uu]nresolved tag/, 1],
  ["more than can be read at once", "- a\n".repeat(20_000), /more than 50000 parts/, 10_000],
])("refuses %s and names the line", (_what, source, message, line) => {
  const refusal = refusalOf(source);
  expect(refusal.code).toBe("policy_invalid");
  expect(refusal.problems[0]?.message).toMatch(message);
  expect(refusal.problems[0]?.line).toBe(line);
});

test("reads a policy of a thousand rules with conditions", () => {
  const rules = Array.from(
    { length: 1_000 },
    (_, index) =>
      `    - { name: r${index}, tools: [look], when: 'sql.readOnly && args.a == "x"', effect: allow }\n`,
  );
  expect(readPolicy(POLICY + rules.join("")).spec.rules).toHaveLength(1_001);
});

test("reads every policy of deploy/policies/, those that ask before production is changed among them", async () => {
  const folder = new URL("../../../../deploy/policies/", import.meta.url);
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml"));
  const names: string[] = [];
  for (const file of files)
    names.push(readPolicy(await readFile(new URL(file, folder), "utf8")).metadata.name);
  expect(names).toEqual(expect.arrayContaining(["starter-sql-production", "starter-shell-production"]));
  expect(names).toHaveLength(files.length);
});

test("reads the same policy as JSON", () => {
  const policy = readPolicy(POLICY);
  expect(readPolicy(JSON.stringify(policy, undefined, 2))).toEqual(policy);
});

test("names the line of what is wrong with a rule, and at most 50 of them", () => {
  const rules = Array.from({ length: 200 }, (_, index) => `    - { name: r${index}, efect: deny }\n`);
  const { problems } = refusalOf(POLICY + rules.join(""));
  expect(problems).toHaveLength(50);
  expect(problems[0]?.line).toBe(10);
});
