// `npm start`: sets up what is missing, runs every shipped spec on every backend this machine has, and writes the report.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { inProject } from './lib/project.mjs';
import { setupOrExplain } from './setup.mjs';

const defaultReport = 'fp8lab-report/parity.html';

/** The report's path: the caller's own `--report` where there is one. */
function reportOf(args) {
  const at = args.lastIndexOf('--report');
  const joined = args.findLast((arg) => arg.startsWith('--report='));
  return (at >= 0 && args[at + 1]) || joined?.slice('--report='.length) || defaultReport;
}

/** The command line with the terminal's own streams; Ctrl-C reaches it directly, so this process only waits. */
function runParity(args) {
  const cli = [inProject('dist/cli.js'), 'parity', '--report', defaultReport, ...args];
  const child = spawn(process.execPath, cli, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

if (await setupOrExplain()) {
  const args = process.argv.slice(2);
  const started = Date.now();
  process.exitCode = await runParity(args);
  const report = resolve(reportOf(args));
  // A run that ended early wrote none; an older file must not be shown as its report.
  const written = statSync(report, { throwIfNoEntry: false });
  if (written !== undefined && written.mtimeMs >= started - 1000) console.log(`report: ${report}`);
}
