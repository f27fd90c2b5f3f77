// Builds test/numerics/cuda-host.cpp: the CUDA toolkit's own conversions, which its headers define for the host too.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inProject } from './project.mjs';

function isPresent(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Folders a toolkit may live in: CUDA_HOME, CUDA_PATH, nvcc's, /usr/local/cuda*. */
function toolkitFolders() {
  const nvcc = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'nvcc'));
  const found = nvcc.filter((file) => existsSync(file)).map((file) => dirname(dirname(realpathSync(file))));
  const versions = existsSync('/usr/local') ? readdirSync('/usr/local').filter((name) => name.startsWith('cuda')) : [];
  const named = [process.env.CUDA_HOME, process.env.CUDA_PATH].filter((folder) => folder);
  return [...named, ...found, ...versions.map((name) => join('/usr/local', name))];
}

/** The include folder that has cuda_fp8.h, cuda_fp6.h and cuda_fp4.h (CUDA 12.8 on), or undefined. */
export function findCudaHeaders() {
  const headers = ['cuda_fp8.h', 'cuda_fp6.h', 'cuda_fp4.h'];
  const includes = toolkitFolders().map((folder) => join(folder, 'include'));
  return includes.find((folder) => headers.every((header) => existsSync(join(folder, header))));
}

/** Compiles the program into a folder. Gives `{ program }`, or `{ missing }` with what this machine lacks. */
export function buildCudaHost(folder) {
  const headers = findCudaHeaders();
  if (headers === undefined) return { missing: 'no CUDA toolkit headers (set CUDA_HOME)' };
  if (!isPresent('g++')) return { missing: 'no g++ to compile the CUDA headers with' };
  const program = join(folder, 'cuda-host');
  const source = inProject('test/numerics/cuda-host.cpp');
  const flags = ['-std=c++17', '-O2', '-isystem', headers, source, '-o', program];
  const { status, stderr } = spawnSync('g++', flags, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`g++ could not compile ${source}:\n${stderr}`);
  return { program };
}
