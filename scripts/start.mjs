// `npm start`: sets up what is missing, runs every shipped spec on every backend this machine has, and writes the report.
import { spawn } from 'node:child_process';
import { inProject } from './lib/project.mjs';
import { setupOrExplain } from './setup.mjs';

const report = 'fp8lab-report/parity.html';

/**
 * The command line with the terminal's own streams. A terminal's Ctrl-C reaches it directly; passed on as well it would be a second one,
 * which asks for an end without order.
 */
function runParity(args) {
  const cli = [inProject('dist/cli.js'), 'parity', '--report', report, ...args];
  const child = spawn(process.execPath, cli, { stdio: 'inherit' });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

// The command's last line is the report's path.
if (await setupOrExplain()) process.exitCode = await runParity(process.argv.slice(2));
