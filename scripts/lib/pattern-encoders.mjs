// Encoders of consecutive f32 bit patterns, saturate and nearest-even, for scripts/exhaustive.mjs. Each is a function from a format's name to
// { encode(first, count): codes of patterns first, first + 1, ... as a Uint8Array, or a promise of it; close(): frees what it holds }.
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

/** The reference itself, a pattern at a time. */
async function reference(name) {
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
    const { tensors } = await runner.request('patterns', { format: name, first, count });
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

/** The encoder of a backend for `e4m3` or `e5m2`. */
export async function createPatternEncoder(backend, format) {
  if (!Object.hasOwn(encoders, backend)) {
    throw new Error(`unknown backend ${backend}: use one of ${Object.keys(encoders).join(', ')}`);
  }
  if (format !== 'e4m3' && format !== 'e5m2') throw new Error(`unknown format ${format}: use e4m3 or e5m2`);
  return encoders[backend](format);
}
