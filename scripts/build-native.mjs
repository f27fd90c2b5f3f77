// Builds the native wing into build/native: `node scripts/build-native.mjs [--if-stale] [--no-cuda] [--no-install]`. Needs nothing but Node to say what is
// missing; a build that is current is left alone.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fingerprint } from './lib/fingerprint.mjs';
import { inProject, isMain } from './lib/project.mjs';

const source = inProject('native-cuda');
const folder = inProject('build', 'native');
const stampFile = join(folder, 'fp8lab-build.json');
const oldestCMake = [3, 25];

const say = (text) => process.stderr.write(`build-native: ${text}\n`);

const apt = (packages) => `apt-get update && apt-get install -y --no-install-recommends ${packages}`;

/** Path of a program along PATH, or undefined. */
function find(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((path) => path !== '');
  return names.flatMap((name) => folders.map((path) => join(path, name))).find((path) => existsSync(path));
}

/** nvcc on PATH or where the toolkit's installer puts it. */
function findNvcc() {
  const usual = '/usr/local/cuda/bin/nvcc';
  return process.env.CUDACXX ?? find('nvcc') ?? (existsSync(usual) ? usual : undefined);
}

function cmakeVersion(cmake) {
  const { stdout } = spawnSync(cmake, ['--version'], { encoding: 'utf8' });
  return (/(\d+)\.(\d+)/.exec(stdout ?? '') ?? []).slice(1).map(Number);
}

function isNewEnough([major = 0, minor = 0]) {
  return major > oldestCMake[0] || (major === oldestCMake[0] && minor >= oldestCMake[1]);
}

/** Whether the compiler finds nlohmann/json.hpp, where CMake may find it too. */
function hasJson(compiler) {
  const folders = [process.env.FP8LAB_JSON_INCLUDE, '/usr/include', '/usr/local/include'].filter(Boolean);
  if (folders.some((path) => existsSync(join(path, 'nlohmann/json.hpp')))) return true;
  const args = ['-E', '-x', 'c++', '-'];
  return (
    spawnSync(compiler, args, { input: '#include <nlohmann/json.hpp>\n', stdio: ['pipe', 'ignore', 'ignore'] })
      .status === 0
  );
}

/** What the machine lacks to build, as Debian packages. */
function missingPackages(cmake, compiler) {
  const missing = [];
  if (cmake === undefined || !isNewEnough(cmakeVersion(cmake))) missing.push('cmake');
  if (compiler === undefined) missing.push('g++', 'make');
  else if (find('ninja', 'make') === undefined) missing.push('make');
  if (compiler === undefined || !hasJson(compiler)) missing.push('nlohmann-json3-dev');
  return missing;
}

/** Installs the JSON header where that is all that is missing and this user may. */
function install(packages) {
  if (process.getuid?.() !== 0 || find('apt-get') === undefined) return false;
  say(apt(packages));
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(apt(packages), { shell: true, env, stdio: ['ignore', 2, 2] }).status === 0;
}

/** Everything the build depends on, as one text. */
function currentStamp({ compiler, nvcc }) {
  const json = process.env.FP8LAB_JSON_INCLUDE ?? '';
  // MPI that comes later is taken up by the next build.
  const mpi = find('mpicxx', 'mpic++') ?? '';
  return JSON.stringify({ sources: fingerprint([source]), compiler, nvcc: nvcc ?? '', json, mpi });
}

function isCurrent(stamp) {
  return (
    existsSync(stampFile) && existsSync(join(folder, 'fp8lab-native')) && readFileSync(stampFile, 'utf8') === stamp
  );
}

const run = (command, args) => spawnSync(command, args, { stdio: ['ignore', 2, 2] }).status === 0;

function configure(cmake, { compiler, nvcc }) {
  const args = ['-S', source, '-B', folder, `-DCMAKE_CXX_COMPILER=${compiler}`, '--no-warn-unused-cli'];
  // Whole and once: headers and templates are half of what there is to compile.
  args.push('-DCMAKE_UNITY_BUILD=ON');
  if (find('ninja') !== undefined) args.push('-G', 'Ninja');
  args.push(nvcc === undefined ? '-DFP8LAB_CUDA=OFF' : `-DFP8LAB_CUDA=ON`);
  if (nvcc !== undefined) args.push(`-DCMAKE_CUDA_COMPILER=${nvcc}`);
  if (process.env.FP8LAB_JSON_INCLUDE) args.push(`-DFP8LAB_JSON_INCLUDE=${process.env.FP8LAB_JSON_INCLUDE}`);
  if (run(cmake, args)) return true;
  // A cache of another generator, compiler or place stands in the way; what it held is rebuilt.
  if (!existsSync(join(folder, 'CMakeCache.txt'))) return false;
  rmSync(folder, { recursive: true, force: true });
  return run(cmake, args);
}

const compile = (cmake, tools) => configure(cmake, tools) && run(cmake, ['--build', folder, '--parallel']);

/**
 * Configures and builds. Gives the exit code: 0 built or current, 3 where something is missing or the compiler failed.
 */
export function buildNative({ ifStale = false, cuda = true, mayInstall = true } = {}) {
  const cmake = find('cmake');
  const compiler = process.env.CXX ?? find('c++', 'g++', 'clang++');
  const missing = missingPackages(cmake, compiler);
  const onlyJson = missing.length === 1 && missing[0] === 'nlohmann-json3-dev';
  if (missing.length > 0 && !(onlyJson && mayInstall && install(missing[0]))) {
    say(
      `not built, for ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing. To mend it: ${apt(missing.join(' '))}`,
    );
    if (missing.includes('nlohmann-json3-dev'))
      say('or set FP8LAB_JSON_INCLUDE to a folder that holds nlohmann/json.hpp');
    return 3;
  }
  const tools = { compiler, nvcc: cuda ? findNvcc() : undefined };
  const stamp = currentStamp(tools);
  if (ifStale && isCurrent(stamp)) return 0;
  mkdirSync(folder, { recursive: true });
  if (!compile(cmake, tools)) {
    say("the build failed; the compiler's message stands above");
    // What nvcc does not take must not keep the host path from being there.
    if (tools.nvcc !== undefined && compile(cmake, { compiler })) say('built without CUDA instead');
    return 3;
  }
  if (!existsSync(join(folder, 'fp8lab-mpi.so')))
    say('without MPI: `moe` has ranks as threads alone; openmpi-bin and libopenmpi-dev add it');
  writeFileSync(stampFile, stamp);
  say(`built ${join(folder, 'fp8lab-native')}`);
  return 0;
}

if (isMain(import.meta)) {
  const flags = process.argv.slice(2);
  process.exitCode = buildNative({
    ifStale: flags.includes('--if-stale'),
    cuda: !flags.includes('--no-cuda'),
    mayInstall: !flags.includes('--no-install'),
  });
}
