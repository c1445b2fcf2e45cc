import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EXIT } from "./errors.js";
import { TestShell } from "./fakes/test-shell.js";

const POLICY = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: on-call }
spec:
  targets: { labels: { commands: sql } }
  subjects: { groups: [on-call] }
  access: { mode: jit, activation: self, maxDuration: 4h }
  rules:
    - { name: read, tools: [execute_sql], when: sql.readOnly, effect: allow }
    - name: write
      tools: [execute_sql]
      when: sql.writes
      effect: require_approval
      approval: { from: [{ group: dba, count: 2 }], expiresIn: 15m }
`;

let shell: TestShell;
let file: string;
beforeEach(async () => {
  shell = await TestShell.open();
  file = path.join(shell.directory, "on-call.yaml");
  await writeFile(file, POLICY);
});
afterEach(() => shell.close());

async function decide(...commands: object[]): Promise<unknown[]> {
  const stdin = commands
    .map((command) => `${JSON.stringify({ dialect: "postgresql", ...command })}\n`)
    .join("");
  const { stdout, code } = await shell.run(["policy", "test", "--jsonl", "-f", file], { stdin });
  expect(code).toBe(EXIT.ok);
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const { facts: _facts, ...decided } = JSON.parse(line) as Record<string, unknown>;
      return decided;
    });
}

test("commands are decided without a grant unless they say that there is one", async () => {
  const text = "select 1";
  expect(await decide({ id: 1, text }, { id: 2, text, grant: true }, { id: 3, text, grant: false })).toEqual([
    { id: 1, decision: "deny", rule: null, needsGrantOf: ["on-call"] },
    { id: 2, decision: "allow", rule: "read" },
    { id: 3, decision: "deny", rule: null, needsGrantOf: ["on-call"] },
  ]);
});

test("what would be held names the groups that are asked", async () => {
  const text = "update t set a = 1 where id = 2";
  expect(await decide({ id: 1, text, grant: true })).toEqual([
    { id: 1, decision: "require_approval", rule: "write", asks: [{ group: "dba", count: 2 }] },
  ]);
});

test("what no grant would open does not ask for one", async () => {
  expect(await decide({ id: 1, text: "drop table t" })).toEqual([{ id: 1, decision: "deny", rule: null }]);
});
