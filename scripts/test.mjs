// `npm test`: sets up what is missing, runs every test, and ends with "N passed, N failed" counted from the runners' reports.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inProject } from './lib/project.mjs';
import { emptyReport, mergeReports, readVitestReport, sortSkips, summaryLine } from './lib/test-report.mjs';
import { setupOrExplain } from './setup.mjs';

const arguments_ = process.argv.slice(2);
const quick = arguments_.includes('--quick');
const vitestArguments = arguments_.filter((argument) => argument !== '--quick');

const inherited = ['ignore', 'inherit', 'inherit'];

/** Runs a script: whether it ended well, and what it said where that was not inherited. */
async function runNode(script, args, stdio = inherited) {
  const child = spawn(process.execPath, [script, ...args], { cwd: inProject(), stdio });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => said.push(chunk));
  const [status] = await once(child, 'close');
  return { passed: status === 0, said: Buffer.concat(said).toString() };
}

/** A check that passes or fails as a whole: it counts as one test. What it says is printed when it ends. */
async function check(name, script, args) {
  const { passed, said } = await runNode(inProject('node_modules', script), args, ['ignore', 'pipe', 'pipe']);
  console.log(`\n# ${name}\n${said.trim()}`);
  return { ...emptyReport(), passed: passed ? 1 : 0, failed: passed ? 0 : 1, failures: passed ? [] : [name] };
}

/** A runner that died leaves no report: that is a failure, never zero tests. */
function readReport(file, read, name) {
  if (existsSync(file)) return read(readFileSync(file, 'utf8'));
  return { ...emptyReport(), failed: 1, failures: [`${name} wrote no report`] };
}

async function runVitest(folder) {
  console.log('\n# vitest');
  const file = join(folder, 'vitest.json');
  const projects = quick ? ['--project', 'pure', '--project', 'quick'] : [];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  await runNode(inProject('node_modules/vitest/vitest.mjs'), ['run', ...reporters, ...projects, ...vitestArguments]);
  return readReport(file, (text) => readVitestReport(JSON.parse(text)), 'vitest');
}

function holdSkipsAgainstList(report) {
  const allowed = JSON.parse(readFileSync(inProject('test/skips.json'), 'utf8')).allowed;
  const { listed, unlisted } = sortSkips(report.skipped, allowed);
  for (const { name, reason } of listed) console.log(`skipped: ${name} (${reason})`);
  const failures = unlisted.map(({ name }) => `skipped, and not on test/skips.json: ${name}`);
  return { ...report, failed: report.failed + unlisted.length, failures: [...report.failures, ...failures] };
}

async function runAll() {
  const folder = mkdtempSync(join(tmpdir(), 'fp8lab-test-'));
  try {
    // The compiler takes one core for as long as a test file: it works beside them.
    const reports = await Promise.all([
      check('types', 'typescript/bin/tsc', ['--noEmit']),
      check('lint and format', '@biomejs/biome/bin/biome', ['check', '.']),
      runVitest(folder),
    ]);
    return holdSkipsAgainstList(mergeReports(reports));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (await setupOrExplain()) {
  const report = await runAll();
  console.log('');
  for (const failure of report.failures) console.log(`failed: ${failure}`);
  process.exitCode = report.failed > 0 || report.passed === 0 ? 1 : 0;
  console.log(summaryLine(report));
} else {
  console.log('0 passed, 1 failed');
}
