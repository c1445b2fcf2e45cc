import { expect, test } from "vitest";

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}
// Plain JavaScript, because it runs before anything is installed; a URL keeps the compiler from asking for its types.
const script = new URL("../../scripts/test-summary.mjs", import.meta.url);
const { summarize } = (await import(script.href)) as {
  summarize: (report: Report | undefined, exitCode: number) => { line: string; exitCode: number };
};

const report = (counts: Partial<Report>): Report => ({
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
  ...counts,
});
const crashed = { status: "failed", assertionResults: [] };

test.each([
  { name: "all passed", report: report({ numPassedTests: 3 }), code: 0, line: "3 passed, 0 failed", exit: 0 },
  {
    name: "some were skipped",
    report: report({ numPassedTests: 3, numPendingTests: 1, numTodoTests: 1 }),
    code: 0,
    line: "3 passed, 0 failed, 2 skipped",
    exit: 0,
  },
  {
    name: "one failed",
    report: report({ numPassedTests: 1, numFailedTests: 1 }),
    code: 1,
    line: "1 passed, 1 failed",
    exit: 1,
  },
  {
    name: "a file could not be loaded",
    report: report({ numPassedTests: 1, numFailedTests: 1, testResults: [crashed] }),
    code: 1,
    line: "1 passed, 2 failed",
    exit: 1,
  },
  {
    name: "a file could not be loaded but the runner says it is well",
    report: report({ testResults: [crashed] }),
    code: 0,
    line: "0 passed, 1 failed",
    exit: 1,
  },
  {
    name: "an error outside of any test",
    report: report({ numPassedTests: 2 }),
    code: 1,
    line: "2 passed, 1 failed",
    exit: 1,
  },
  { name: "no report at all", report: undefined, code: 137, line: "0 passed, 1 failed", exit: 137 },
])("counts a run where $name", ({ report: given, code, line, exit }) => {
  expect(summarize(given, code)).toEqual({ line, exitCode: exit });
});
