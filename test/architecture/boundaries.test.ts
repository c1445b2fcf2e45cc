import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

/** Violations of each rule, in a tree with our folders. */
const PLANTED: { rule: string; file: string; text: string }[] = [
  {
    rule: "libs-know-no-apps",
    file: "libs/testing/src/planted.ts",
    text: 'import "../../../apps/cli/src/main.js";',
  },
  { rule: "apps-are-islands", file: "apps/cli/src/planted.ts", text: 'import "../../agent/src/main.js";' },
  { rule: "pure-libs-do-no-io", file: "libs/policy/src/planted.ts", text: 'import "node:fs";' },
  {
    rule: "pure-libs-do-no-io",
    file: "libs/mcp/src/planted.ts",
    text: 'import "../../testing/src/index.js";',
  },
  {
    rule: "the-agent-stays-small",
    file: "apps/agent/src/planted.ts",
    text: 'import "../../../libs/contracts/src/index.js";',
  },
  {
    rule: "tests-and-demo-stay-out-of-products",
    file: "apps/control-plane/src/access/planted.ts",
    text: 'import "../../../../libs/embedded/src/index.js";',
  },
  {
    rule: "prisma-stays-in-repositories",
    file: "apps/control-plane/src/access/planted.service.ts",
    text: 'import type { Row } from "../generated/prisma/client.js"; export type Planted = Row;',
  },
  {
    rule: "features-meet-at-index",
    file: "apps/control-plane/src/access/planted2.ts",
    text: 'import "../audit/inner.js";',
  },
  {
    rule: "platform-knows-no-feature",
    file: "apps/control-plane/src/platform/planted.ts",
    text: 'import "../audit/index.js";',
  },
  {
    rule: "no-cycles",
    file: "libs/testing/src/cycle-back.ts",
    text: 'import type { A } from "./cycle.js"; export interface B { a: A }',
  },
  { rule: "no-missing-modules", file: "libs/testing/src/missing.ts", text: 'import "not-a-dependency";' },
];

const ALLOWED: Record<string, string> = {
  "apps/cli/src/main.ts": "export {};",
  "apps/agent/src/main.ts": "export {};",
  "apps/control-plane/src/audit/index.ts": 'export * from "./inner.js";',
  "apps/control-plane/src/audit/inner.ts": 'import "../platform/clock.js"; export const inner = 1;',
  "apps/control-plane/src/platform/clock.ts": "export const clock = 1;",
  "apps/control-plane/src/access/access.service.ts":
    'import "../audit/index.js"; import "../platform/clock.js";',
  "apps/control-plane/src/access/access.repository.ts":
    'import type { Row } from "../generated/prisma/client.js"; export type Stored = Row;',
  "apps/control-plane/src/generated/prisma/client.ts": "export interface Row { id: string }",
  "libs/contracts/src/index.ts": "export {};",
  "libs/embedded/src/index.ts": 'import "node:fs";',
  "libs/policy/src/index.ts": 'import { createHash } from "node:crypto"; export const hash = createHash;',
  "libs/testing/src/index.ts": "export {};",
  "libs/testing/src/cycle.ts": 'import type { B } from "./cycle-back.js"; export interface A { b: B }',
};

interface Violation {
  rule: { name: string };
  from: string;
}

let directory: string;
let violations: Violation[];

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-boundaries-"));
  const files = { ...ALLOWED, ...Object.fromEntries(PLANTED.map(({ file, text }) => [file, text])) };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(directory, path.dirname(file)), { recursive: true });
    await writeFile(path.join(directory, file), `${text}\n`);
  }
  const output = await new Promise<string>((resolve) => {
    const args = [
      "apps",
      "libs",
      "--config",
      path.join(root, ".dependency-cruiser.mjs"),
      "--output-type",
      "json",
    ];
    const env = { PATH: `${path.join(root, "node_modules/.bin")}:/usr/bin:/bin` };
    const program = path.join(root, "node_modules/.bin/depcruise");
    execFile(program, args, { cwd: directory, env, maxBuffer: 64 << 20 }, (_error, stdout) =>
      resolve(stdout),
    );
  });
  violations = (JSON.parse(output) as { summary: { violations: Violation[] } }).summary.violations;
});
afterAll(() => rm(directory, { recursive: true }));

test.each(PLANTED)("$rule finds $file", ({ rule, file }) => {
  expect(violations.filter(({ from }) => from === file).map((violation) => violation.rule.name)).toContain(
    rule,
  );
});

test("nothing that is allowed is reported", () => {
  const planted = new Set(PLANTED.map(({ file }) => file));
  const surprises = violations.filter(({ from }) => !planted.has(from));
  expect(surprises).toEqual([]);
});
