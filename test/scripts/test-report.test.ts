import { describe, expect, it } from 'vitest';
import { mergeReports, readVitestReport, sortSkips, summaryLine } from '../../scripts/lib/test-report.mjs';

const file = (status: string, tests: object[], message = '') => ({
  name: 'a.test.ts',
  status,
  message,
  assertionResults: tests,
});
const test = (status: string, fullName: string, rest = {}) => ({
  status,
  fullName,
  failureMessages: [],
  meta: {},
  ...rest,
});

describe('counting tests', () => {
  it('takes passes, failures and skips from vitest’s own report', () => {
    const tests = [test('passed', 'a'), test('failed', 'b'), test('skipped', 'c', { meta: { skipReason: 'no GPU' } })];
    const report = readVitestReport({ success: false, testResults: [file('failed', tests)] });
    expect(report).toMatchObject({ passed: 1, failed: 1, failures: ['a.test.ts: b'] });
    expect(report.skipped).toEqual([{ name: 'c', reason: 'no GPU' }]);
  });

  it('a file that cannot be loaded is a failure, not zero tests', () => {
    const report = readVitestReport({ success: false, testResults: [file('failed', [], 'SyntaxError: x\nat y')] });
    expect(report).toMatchObject({ passed: 0, failed: 1, failures: ['a.test.ts: SyntaxError: x'] });
  });

  it('an error outside the tests is a failure', () => {
    const report = readVitestReport({ success: false, testResults: [file('passed', [test('passed', 'a')])] });
    expect(report).toMatchObject({ passed: 1, failed: 1 });
  });

  it('a test marked as still to do is a skip', () => {
    const report = readVitestReport({ success: true, testResults: [file('passed', [test('todo', 'later')])] });
    expect(report.skipped).toHaveLength(1);
  });

  it('adds runners up, and says skips only where there are some', () => {
    const one = { passed: 2, failed: 0, skipped: [], failures: [] };
    expect(summaryLine(mergeReports([one, one]))).toBe('4 passed, 0 failed');
    const skipped = [{ name: 'c', reason: '' }];
    expect(summaryLine({ ...one, skipped })).toBe('2 passed, 0 failed, 1 skipped');
  });

  it('lets pass only skips that are listed, on the platforms they are listed for', () => {
    const skipped = [
      { name: 'suite a', reason: '' },
      { name: 'suite b', reason: '' },
      { name: 'other', reason: '' },
    ];
    const unlisted = (allowed: object[]) => sortSkips(skipped, allowed, 'linux').unlisted.map(({ name }) => name);
    expect(unlisted([])).toEqual(['suite a', 'suite b', 'other']);
    expect(unlisted([{ test: 'suite *' }])).toEqual(['other']);
    expect(unlisted([{ test: 'suite a' }, { test: 'other', platforms: ['darwin'] }])).toEqual(['suite b', 'other']);
  });

  it('gives a listed skip the reason of the list where the runner told none', () => {
    const skipped = [
      { name: 'a', reason: '' },
      { name: 'b', reason: 'own' },
    ];
    const allowed = [
      { test: 'a', reason: 'listed' },
      { test: 'b', reason: 'listed' },
    ];
    expect(sortSkips(skipped, allowed).listed.map(({ reason }) => reason)).toEqual(['listed', 'own']);
  });
});
