// Makes a fresh clone ready: npm packages, dist/, a browser, a Vulkan driver. Needs nothing but Node; safe to run again.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { installPackages, isNodeSupported, missingPackages, oldestNode } from './lib/dependencies.mjs';
import { hasSources, inProject, isMain } from './lib/project.mjs';

const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** A step that cannot be mended from here: the message says what to do. */
class SetupError extends Error {}

function requireNode() {
  if (isNodeSupported(process.versions.node)) return;
  throw new SetupError(
    `Node ${oldestNode.join('.')} or later is needed, this is ${process.versions.node}: see https://nodejs.org`,
  );
}

function requirePackages() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  say(`npm ci, for ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}`);
  if (!installPackages()) throw new SetupError('npm ci failed; its own message stands above');
}

async function requireDist() {
  const { build } = await import('./build.mjs');
  const built = await build();
  if (built.length > 0) say(`built ${built.join(', ')}`);
}

/** The native host path, where a compiler is there. Its absence is told by doctor and never stops the rest. */
async function buildNative() {
  const script = inProject('scripts/build-native.mjs');
  if (!existsSync(script)) return;
  const child = spawn(process.execPath, [script, '--if-stale'], { stdio: ['ignore', process.stderr, process.stderr] });
  const [status] = await once(child, 'close');
  if (status !== 0) say('the native host path was not built; the other backends do without it');
}

const discovery = (name) => import(pathToFileURL(inProject('dist', `${name}.js`)).href);

/** The lines of an installer's output that say why it failed: Puppeteer prints its whole manual, apt-get every package. */
function reasonOf({ status, error, stdout, stderr }) {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => /^E: |Error:|Provider:|npm error/.test(line.trim()));
  return (
    lines
      .slice(0, 4)
      .map((line) => line.trim())
      .join(' ') ||
    error?.message ||
    `exit code ${status}`
  );
}

/** Runs an installer without its chatter. Returns true where it worked. */
function run(command) {
  say(`${command} (a minute or two)`);
  // Installers ask nothing when there is nobody to answer.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = {
    shell: true,
    cwd: inProject(),
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  };
  const done = spawnSync(command, options);
  if (done.status !== 0) say(`that did not work: ${reasonOf(done)}`);
  return done.status === 0;
}

const hasApt = () => existsSync('/usr/bin/apt-get');

/** Tries what this user is allowed to do about one finding. */
function mend(finding, machine, puppeteerInstall) {
  // Only the user can change the user's own environment.
  if (finding.command.startsWith('unset ')) return false;
  if (!finding.needsRoot || (machine.root && hasApt())) return run(finding.command);
  return finding.what === 'browser' && machine.puppeteer && run(puppeteerInstall);
}

/** One command that mends all that is left. */
function mendingCommand(findings, debianPackages) {
  const own = findings.filter((finding) => !finding.needsRoot).map((finding) => finding.command);
  if (own.length === findings.length) return own.join(' && ');
  const packages = debianPackages.join(' ');
  if (!hasApt()) {
    return `install ${packages} (or what your system calls them) with its package manager, or set CHROME_PATH to a browser`;
  }
  return [...own, `sudo sh -c "apt-get update && apt-get install -y --no-install-recommends ${packages}"`].join(' && ');
}

/** Finds a browser and a driver, installs what is missing where that is allowed, and says what stays missing. */
async function requireRuntimes() {
  const [{ inspectMachine }, { findMissing, debianPackages, puppeteerInstall }] = await Promise.all([
    discovery('machine'),
    discovery('findings'),
  ]);
  const needed = () => findMissing(inspectMachine()).filter((finding) => finding.needed);
  for (const what of needed().map((finding) => finding.what)) {
    // An earlier step may have brought this one along: Debian's chromium has a driver with it.
    const finding = needed().find((candidate) => candidate.what === what);
    if (finding !== undefined) mend(finding, inspectMachine(), puppeteerInstall);
  }
  const left = needed();
  for (const finding of left) say(`missing: ${finding.what}. ${finding.why}`);
  if (left.length > 0) say(`to mend it: ${mendingCommand(left, debianPackages)}`);
  return left;
}

/**
 * Runs every step and returns what stays missing. Throws where nothing can work (Node, npm, build); a missing browser or driver is
 * told, and the backends that can run still do.
 */
export async function setup() {
  requireNode();
  if (hasSources()) {
    requirePackages();
    // The types are compiled on one core: the native build has work for the others.
    const native = buildNative();
    try {
      await requireDist();
    } finally {
      await native;
    }
  }
  return requireRuntimes();
}

/** Runs {@link setup} for a script: true when it may go on, else the reason is printed and the exit code set. */
export async function setupOrExplain() {
  const started = performance.now();
  try {
    const missing = await setup();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(missing.length === 0 ? `ready after ${seconds} s` : `done after ${seconds} s, without what is missing`);
    return true;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 3;
    return false;
  }
}

if (isMain(import.meta)) await setupOrExplain();
