/** Counts of one test runner, and its skips with their reasons. */
export const emptyReport = () => ({ passed: 0, failed: 0, skipped: [], failures: [] });

/** Adds up the reports of several runners. */
export function mergeReports(reports) {
  return reports.reduce(
    (total, report) => ({
      passed: total.passed + report.passed,
      failed: total.failed + report.failed,
      skipped: [...total.skipped, ...report.skipped],
      failures: [...total.failures, ...report.failures],
    }),
    emptyReport(),
  );
}

/** A skipped test's reason is what `ctx.skip(reason)` left in its metadata, or nothing. */
const skipReason = (test) => test.meta?.skipReason ?? test.failureMessages?.[0] ?? '';

/** Reads vitest's JSON report. A file that could not even be loaded counts as one failure. */
export function readVitestReport(json) {
  const report = emptyReport();
  for (const file of json.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'passed') report.passed++;
      else if (test.status === 'failed') {
        report.failed++;
        report.failures.push(`${file.name}: ${test.fullName}`);
      } else report.skipped.push({ name: test.fullName, reason: skipReason(test) });
    }
    const failedToLoad = file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed');
    if (failedToLoad) {
      report.failed++;
      report.failures.push(`${file.name}: ${(file.message ?? 'could not be loaded').split('\n')[0]}`);
    }
  }
  // A crash outside any test (an unhandled rejection) makes the run unsuccessful without a failed test.
  if (json.success === false && report.failed === 0) {
    report.failed++;
    report.failures.push('vitest: an error outside the tests, see above');
  }
  return report;
}

/**
 * Holds skips against the list: those that are on it, with their reasons, and those that are not. An entry `{test, reason, platforms}`
 * matches a name exactly, or by its beginning where `test` ends in `*`, and only on its platforms where it names some.
 */
export function sortSkips(skipped, allowed, platform = process.platform) {
  const isFor = ({ platforms }) => platforms === undefined || platforms.includes(platform);
  const matches = ({ test }, name) => (test.endsWith('*') ? name.startsWith(test.slice(0, -1)) : name === test);
  const listed = [];
  const unlisted = [];
  for (const { name, reason } of skipped) {
    const entry = allowed.find((candidate) => isFor(candidate) && matches(candidate, name));
    if (entry === undefined) unlisted.push({ name, reason });
    else listed.push({ name, reason: reason || entry.reason || '' });
  }
  return { listed, unlisted };
}

/** The line that ends every test run. */
export function summaryLine({ passed, failed, skipped }) {
  const skips = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
  return `${passed} passed, ${failed} failed${skips}`;
}
