// Encoders of consecutive f32 bit patterns, saturate and nearest-even, and the pinned functions of them, for scripts/exhaustive.mjs. Each is a
// function from a format's or function's name to { encode(first, count): codes or f32 bits of patterns first, first + 1, ... as a typed array,
// or a promise of it; close(): frees what it holds }.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { buildCudaHost } from './cuda-host.mjs';
import { inProject } from './project.mjs';

/** Imports a TypeScript module of the project. */
async function importSource(path) {
  const { module } = await runnerImport(inProject(path), { configFile: false, root: inProject(), logLevel: 'error' });
  return module;
}

function missing(message) {
  return Object.assign(new Error(message), { isMissing: true });
}

/** What is run over the patterns: formats to encode to, and functions. */
export const formatNames = ['e4m3', 'e5m2'];
export const functionNames = ['exp', 'sigmoid', 'log1p', 'softplus', 'sqrt'];

/** A pinned function of the reference, a pattern at a time. */
async function pinnedFunction(name) {
  const { pinnedFunctions } = await importSource('src/numerics/exp.ts');
  const encode = (first, count) =>
    Uint32Array.from({ length: count }, (_, i) => pinnedFunctions[name]((first + i) >>> 0));
  return { encode, close() {} };
}

/** The reference itself, a pattern at a time. */
async function reference(name) {
  if (functionNames.includes(name)) return pinnedFunction(name);
  const { encodeBits } = await importSource('src/numerics/codec.ts');
  const { formats } = await importSource('src/numerics/formats.ts');
  const format = formats[name];
  const encode = (first, count) => {
    const codes = new Uint8Array(count);
    for (let i = 0; i < count; i++) codes[i] = encodeBits((first + i) >>> 0, format, 'nearest-even', 'saturate');
    return codes;
  };
  return { encode, close() {} };
}

/** The table that whole arrays are encoded by. */
async function table(name) {
  const { encodeLanes } = await importSource('src/numerics/codec.ts');
  const { formats } = await importSource('src/numerics/formats.ts');
  const encode = (first, count) => {
    const bits = new Uint32Array(count);
    for (let i = 0; i < count; i++) bits[i] = first + i;
    return encodeLanes(bits, formats[name], 'nearest-even', 'saturate');
  };
  return { encode, close() {} };
}

/** The CUDA toolkit's headers, compiled for the host. */
function host(name) {
  const folder = mkdtempSync(join(tmpdir(), 'fp8lab-cuda-host-'));
  const { program, missing: lacks } = buildCudaHost(folder);
  const close = () => rmSync(folder, { recursive: true, force: true });
  if (lacks !== undefined) {
    close();
    throw missing(lacks);
  }
  const encode = (first, count) => {
    const args = [`${name}:nearest-even:saturate`, String(first), String(count)];
    const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 2 * count });
    if (status !== 0) throw new Error(`cuda-host ended with ${status}: ${stderr}`);
    return stdout;
  };
  return { encode, close };
}

/** The WGSL encoder in a runtime; needs dist/runner.js. */
const webgpu = (backend) => async (name) => {
  const { createWebGpuBackend } = await importSource('src/backends/webgpu/backend.ts');
  const runner = createWebGpuBackend(backend, { adapter: 'auto' });
  const encode = async (first, count) => {
    const { tensors } = await runner.request('patterns', { of: name, first, count });
    return tensors.codes.codes;
  };
  return { encode, close: () => runner.close() };
};

const encoders = {
  reference,
  table,
  host,
  'webgpu:node': webgpu('webgpu:node'),
  'webgpu:deno': webgpu('webgpu:deno'),
  'webgpu:chromium': webgpu('webgpu:chromium'),
};

/** The encoder of a backend for a format or a function. */
export async function createPatternEncoder(backend, name) {
  if (!Object.hasOwn(encoders, backend)) {
    throw new Error(`unknown backend ${backend}: use one of ${Object.keys(encoders).join(', ')}, native`);
  }
  const isFunction = functionNames.includes(name);
  if (!isFunction && !formatNames.includes(name)) {
    throw new Error(`unknown name ${name}: use one of ${[...formatNames, ...functionNames].join(', ')}`);
  }
  if (isFunction && (backend === 'table' || backend === 'host')) {
    throw new Error(`backend ${backend} has encoders alone: use reference, native or a webgpu backend for ${name}`);
  }
  return encoders[backend](name);
}

/** Digests of chunks first to last by the native runner, which makes them itself, and the largest error where it measures one. */
export async function nativeDigests(name, first, last) {
  const { nativeBinary } = await importSource('src/backends/native.ts');
  const option = functionNames.includes(name) ? '--function' : '--format';
  const args = ['exhaustive', option, name, '--chunks', `${first}-${last}`];
  const { status, stdout, stderr, error } = spawnSync(nativeBinary(), args, { encoding: 'utf8' });
  if (error !== undefined) throw missing(`the native runner cannot be started: ${error.message}`);
  if (status !== 0) throw new Error(`the native runner ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}
