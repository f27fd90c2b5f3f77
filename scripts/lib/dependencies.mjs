import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { inProject } from './project.mjs';

/** Node versions the dependencies support. */
export const oldestNode = [20, 19];

/** True where `version` (as in process.versions.node) is at least {@link oldestNode}. */
export function isNodeSupported(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/**
 * Packages of the lock file that node_modules lacks or has in another version. Optional ones that npm left out (another
 * platform, `--omit=optional`) are not missed.
 */
export function missingPackages() {
  const wanted = readPackages(inProject('package-lock.json'));
  const installed = readPackages(inProject('node_modules/.package-lock.json'));
  return Object.entries(wanted)
    .filter(([path]) => path !== '')
    .filter(([path, { version, optional }]) => {
      const found = installed[path];
      if (found === undefined) return !optional;
      return found.version !== version || !existsSync(inProject(path, 'package.json'));
    })
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
}

/** Installs exactly what the lock file says. Returns true where it worked. */
export function installPackages() {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, error } = spawnSync(npm, ['ci', '--no-fund', '--no-audit'], {
    cwd: inProject(),
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32',
  });
  return error === undefined && status === 0;
}
