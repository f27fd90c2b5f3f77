// Builds dist/: library and command line, runner, page, types. Does nothing where the sources have not changed.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fingerprint } from './lib/fingerprint.mjs';
import { inProject, isMain } from './lib/project.mjs';
import { viteTargets } from './lib/targets.mjs';

export const allTargets = ['node', 'runner', 'page', 'types'];

const sources = [
  'src',
  'shaders',
  'specs',
  'index.html',
  'vite.config.ts',
  'tsconfig.json',
  'package-lock.json',
  'scripts/build.mjs',
  'scripts/lib/precache.mjs',
  'scripts/lib/targets.mjs',
].map((path) => inProject(path));

const dist = inProject('dist');
const stampOf = (target) => join(dist, `.stamp-${target}`);
const outputOf = (target) => join(dist, target === 'types' ? 'types/index.d.ts' : viteTargets[target].output);

function isFresh(target, stamp) {
  if (!existsSync(outputOf(target)) || !existsSync(stampOf(target))) return false;
  return readFileSync(stampOf(target), 'utf8') === stamp;
}

/** Moves what was built into place, so that a reader never sees a half-written file. */
function install(built, into) {
  mkdirSync(into, { recursive: true });
  for (const name of readdirSync(built)) {
    const to = join(into, name);
    if (!name.includes('.')) rmSync(to, { recursive: true, force: true });
    renameSync(join(built, name), to);
  }
  rmSync(built, { recursive: true, force: true });
}

async function buildWithVite(target) {
  const { build } = await import('vite');
  const built = join(dist, `.building-${target}-${process.pid}`);
  try {
    await build(viteTargets[target].config(built));
    const into = join(dist, viteTargets[target].into);
    if (target === 'page') rmSync(into, { recursive: true, force: true });
    // The command that package.json names: npx runs the file itself.
    if (target === 'node') chmodSync(join(built, 'cli.js'), 0o755);
    install(built, into);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

function buildTypes() {
  const compiler = inProject('node_modules/typescript/bin/tsc');
  const args = ['-p', inProject('tsconfig.build.json')];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [compiler, ...args], {
      cwd: inProject(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`the types do not compile:\n${output}`))));
  });
}

async function buildTarget(target, stamp) {
  rmSync(stampOf(target), { force: true });
  await (target === 'types' ? buildTypes() : buildWithVite(target));
  writeFileSync(stampOf(target), stamp);
}

/**
 * Brings the targets up to date and returns the names of those it had to build.
 * The types are compiled in a process of their own beside the bundles.
 */
export async function build(targets = allTargets) {
  mkdirSync(dist, { recursive: true });
  const stamp = fingerprint(sources);
  const stale = targets.filter((target) => !isFresh(target, stamp));
  const types = stale.includes('types') ? buildTarget('types', stamp) : Promise.resolve();
  // A failing bundle is reported first; the compiler's own failure must not be an unhandled one meanwhile.
  types.catch(() => {});
  for (const target of stale) {
    if (target !== 'types') await buildTarget(target, stamp);
  }
  await types;
  return stale;
}

if (isMain(import.meta)) {
  const started = performance.now();
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((target) => !allTargets.includes(target));
  if (unknown.length > 0) {
    console.error(`build: unknown target ${unknown.join(', ')}; known are ${allTargets.join(', ')}`);
    process.exit(2);
  }
  try {
    const built = await build(wanted.length > 0 ? wanted : allTargets);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.error(built.length > 0 ? `build: ${built.join(', ')} in ${seconds} s` : 'build: up to date');
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
