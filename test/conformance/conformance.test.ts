import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bench } from "./matrix.js";
import type { Revision } from "./revisions.js";
import { type SuiteResult, testServer } from "./suite.js";
import { findings } from "./table.js";

const PATIENCE_MS = 120_000;

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
}, PATIENCE_MS);
afterAll(() => bench?.stop(), PATIENCE_MS);

const REVISIONS = ["2025-11-25", "2026-07-28"] as const satisfies readonly Revision[];

/** Over stdio only those that say more than a request and its answer: each session starts a server of its own. */
const WORTH_A_CHILD = {
  "2025-11-25": [
    "tools-call-with-progress",
    "tools-call-sampling",
    "elicitation-sep1034-defaults",
    "resources-subscribe",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "server-sse-polling",
  ],
  "2026-07-28": [
    "server-stateless",
    "tools-call-with-progress",
    "server-sse-multiple-streams",
    "input-required-result-multi-round",
    "http-header-validation",
    "http-custom-header-server-validation",
    "tasks-capability-negotiation",
  ],
} as const;

describe.each(REVISIONS)("at %s", (revision) => {
  let direct: SuiteResult;
  beforeAll(async () => {
    direct = await testServer({ url: bench.url, revision });
  }, PATIENCE_MS);

  test("the fixture itself passes everything that is required", () => {
    expect(direct.exitCode).toBe(0);
    expect(direct.checks.length).toBeGreaterThan(80);
  });

  test.each(["http", "stdio"] as const)(
    "the suite says the same of a target over %s as directly, and all of it is recorded",
    async (transport) => {
      const only = transport === "stdio" ? WORTH_A_CHILD[revision] : undefined;
      const cell = await bench.run({ transport, revision, direct, only });
      expect(findings([cell], [])).toEqual([]);
      expect(cell.recording.found).toBeGreaterThan(only === undefined ? 100 : 20);
    },
    PATIENCE_MS,
  );
});

test.each(["regenerated-method", "lost-name"] as const)(
  "a header bug makes a difference: %s",
  async (bug) => {
    const selected = { revision: "2026-07-28", only: ["http-header-validation"] } as const;
    const direct = await testServer({ url: bench.url, ...selected });
    bench.governed.bug = bug;
    try {
      const cell = await bench.run({ transport: "http", ...selected, direct });
      expect(cell.differences).not.toEqual([]);
    } finally {
      bench.governed.bug = undefined;
    }
  },
  PATIENCE_MS,
);
