import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Environment, packageRoot } from '../backends/machine.ts';
import { Fp8labError } from '../errors.ts';

/** What of the package travels. Built files, sources of the native wing, specs; no tests, no page's sources. */
const packagePaths = [
  'package.json',
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'dist',
  'shaders',
  'specs',
  'native-cuda',
  'docs',
  'evidence',
  'scripts/build-native.mjs',
  'scripts/gpu-session.sh',
  'scripts/lib',
];

/** Without these no machine can build and run the native path. */
const required = ['package.json', 'dist/cli.js', 'specs', 'native-cuda/CMakeLists.txt', 'scripts/gpu-session.sh'];

/** Packages that only the browser and Deno backends use; each is larger than all the rest. */
const leftOut = new Set(['deno', 'puppeteer']);

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function lacking(message: string, where: string, fix: string): Fp8labError {
  return new Fp8labError(message, { kind: 'environment', code: 'bundle-lacks', where, fix });
}

/** Copies fp8lab itself into `target`. @throws Fp8labError where a part without which nothing could be built is not there */
export function copyPackage(target: string, root = packageRoot()): void {
  const missing = required.find((path) => !existsSync(join(root, path)));
  if (missing !== undefined) {
    throw lacking(
      `the package has no ${missing}`,
      root,
      'run `npm run build` in a clone, or install the package again',
    );
  }
  for (const path of packagePaths) {
    if (existsSync(join(root, path)))
      cpSync(join(root, path), join(target, path), { recursive: true, filter: isNoBuild });
  }
}

/** Leaves out what other builds left among the sources. */
const isNoBuild = (path: string): boolean => !['build', '.building'].includes(basename(path));

/** Copies nlohmann-json's headers, which the native wing is compiled with. */
export function copyJsonHeaders(target: string, env: Environment): void {
  const folders = [env.FP8LAB_JSON_INCLUDE, '/usr/include', '/usr/local/include', '/opt/homebrew/include'];
  const folder = folders.find((path) => path && existsSync(join(path, 'nlohmann/json.hpp')));
  if (folder === undefined) {
    throw lacking(
      'nlohmann-json is not on this machine, and the native wing is compiled with it',
      'nlohmann/json.hpp',
      'apt-get install nlohmann-json3-dev, or set FP8LAB_JSON_INCLUDE to a folder that holds nlohmann/json.hpp',
    );
  }
  cpSync(join(folder, 'nlohmann'), join(target, 'include/nlohmann'), { recursive: true });
}

/** Copies this Node and the packages that fp8lab needs, Dawn among them, so that the other machine needs none. */
export function copyNode(target: string, root = packageRoot()): void {
  if (process.platform !== 'linux') {
    const fix = 'make the bundle on Linux, or leave Node out with --no-node';
    throw lacking(`Node for Linux cannot be taken from ${process.platform}`, process.execPath, fix);
  }
  mkdirSync(join(target, 'bin'), { recursive: true });
  cpSync(process.execPath, join(target, 'bin/node'), { dereference: true });
  for (const [name, folder] of dependencies(root)) {
    cpSync(folder, join(target, 'node_modules', name), { recursive: true, filter: isForHere });
  }
}

/** Dawn comes built for five platforms; one travels. */
function isForHere(path: string): boolean {
  const platform = /webgpu\/dist\/((?:linux|darwin|win32)-\w+)/.exec(path)?.[1];
  return platform === undefined || platform === `linux-${process.arch}`;
}

/** Folders of all packages that running needs, by name. npm lays them flat; what it nested travels inside its parent. */
function dependencies(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (folder: string): void => {
    const { dependencies = {}, optionalDependencies = {} } = readManifest(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (leftOut.has(name) || found.has(name)) continue;
      const path = join(root, 'node_modules', name);
      if (!existsSync(path)) {
        if (name in dependencies && !existsSync(join(folder, 'node_modules', name)))
          throw lacking(`the package ${name} is not installed`, path, 'run `npm ci`');
        continue;
      }
      found.set(name, path);
      visit(path);
    }
  };
  visit(root);
  return found;
}

/** Paths of all files below a folder, relative to it, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
