export interface TestReport {
  passed: number;
  failed: number;
  skipped: { name: string; reason: string }[];
  failures: string[];
}
export function emptyReport(): TestReport;
export function mergeReports(reports: TestReport[]): TestReport;
export function readVitestReport(json: object): TestReport;
export function sortSkips(
  skipped: TestReport['skipped'],
  allowed: object[],
  platform?: string,
): { listed: TestReport['skipped']; unlisted: TestReport['skipped'] };
export function summaryLine(report: TestReport): string;
