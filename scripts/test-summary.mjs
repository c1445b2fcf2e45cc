// Counts a test run from Vitest's JSON report.

const NO_REPORT = {
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
};

/**
 * A test file that could not even be loaded has no tests and counts as one failure, and so does whatever else made
 * the run fail without a failing test (an unhandled error, no report at all).
 */
export function summarize(report = NO_REPORT, exitCode) {
  const { numPassedTests: passed, numFailedTests, numPendingTests, numTodoTests, testResults } = report;
  const crashed = testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  const counted = numFailedTests + crashed.length;
  const failed = counted === 0 && exitCode !== 0 ? 1 : counted;
  const skipped = numPendingTests + numTodoTests;
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return { line, exitCode: failed > 0 ? exitCode || 1 : exitCode };
}
