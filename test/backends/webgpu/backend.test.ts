import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createWebGpuBackend, type WebGpuBackend } from '../../../src/backends/webgpu/backend.ts';
import type { WebGpuName } from '../../../src/backends/webgpu/launches.ts';
import { kernelOf } from '../../../src/kernels/index.ts';
import { materializeInputs } from '../../../src/kernels/inputs.ts';
import { resolveSpec } from '../../../src/specs/resolve.ts';
import type { Tensor } from '../../../src/tensors/tensor.ts';
import { buildTestRunner, type TestRunner } from '../../helpers/runner.ts';

const words = (...values: number[]): Tensor => ({
  dtype: 'U32',
  shape: [values.length],
  codes: Uint32Array.from(values),
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('runs that wait for a runner to start', () => {
  it('start none any more once they are interrupted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fp8lab-starts-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [runnerFile, log] = [join(folder, 'mute.mjs'), join(folder, 'starts')];
    const mute = `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(log)}, 's'); setInterval(() => {}, 1000);`;
    await writeFile(runnerFile, mute);
    const backend = createWebGpuBackend('webgpu:node', { adapter: 'software', runnerFile });
    onTestFinished(() => backend.close());
    const interrupt = new AbortController();
    const asked = [1, 2, 3].map(() => backend.request('any', {}, {}, { signal: interrupt.signal }));
    await vi.waitFor(async () => expect(await readFile(log, 'utf8')).toBe('s'), { timeout: 10_000 });
    interrupt.abort();
    for (const each of await Promise.allSettled(asked))
      expect(each).toMatchObject({ status: 'rejected', reason: { kind: 'interrupted' } });
    expect(await readFile(log, 'utf8')).toBe('s');
  });
});

let runner: TestRunner;
beforeAll(async () => {
  runner = await buildTestRunner();
});
afterAll(() => runner.remove());

describe.each<WebGpuName>(['webgpu:node', 'webgpu:deno', 'webgpu:chromium'])('%s', (name) => {
  let backend: WebGpuBackend;
  beforeAll(() => {
    backend = createWebGpuBackend(name, { adapter: 'auto', runnerFile: runner.file });
  });
  afterAll(() => backend.close());

  const increment = async () => (await backend.request('increment', {}, { x: words(1, 41, 0xffffffff) })).tensors.y;

  it('names its runtime and adapter, and says in a flag that a CPU is no GPU', async () => {
    const { identity, milliseconds, launch } = await backend.start();
    console.log(
      `${name} was up after ${Math.round(milliseconds)} ms: ${identity.runtime}, ${identity.adapter}, ${launch}`,
    );
    expect(identity.backend).toBe(name);
    expect(identity.runtime).toMatch(/^(node \d+.*dawn|deno \d+|.*Chrom.*\/\d+)/);
    expect(identity.adapter).not.toBe('');
    expect(identity.software).toBe(/swiftshader|llvmpipe/i.test(JSON.stringify(identity)));
  });

  it('runs a shader and brings its words back', async () => {
    expect(await increment()).toEqual(words(2, 42, 0));
  });

  it('brings tensors of each lane width back as they were', async () => {
    const tensors = {
      bytes: { dtype: 'F8_E4M3', shape: [5], codes: Uint8Array.of(0, 1, 127, 128, 255) },
      halves: { dtype: 'BF16', shape: [3, 1], codes: Uint16Array.of(0, 0x7fff, 0xffff) },
      empty: { dtype: 'U32', shape: [0], codes: new Uint32Array(0) },
    } as const;
    const { value, tensors: back } = await backend.request('echo', { a: [1, 'ä'] }, tensors);
    expect(value).toEqual({ a: [1, 'ä'] });
    expect(back).toEqual(tensors);
  });

  it('makes inputs in a thread beside the device', async () => {
    const shape = { rows: 3, columns: 40 };
    const fields = { fp8lab: 1, kernel: 'quantize', name: 'x', shape, x: { input: 'normal' }, scheme: 'mxfp8' };
    const spec = resolveSpec(fields);
    const { tensors } = await backend.request('ahead', spec);
    expect(tensors).toEqual(materializeInputs(kernelOf(spec).inputs(spec as never)));
  });

  it('ends a shader that loops for ever at its time limit, and runs the next request', async () => {
    const { pid } = await backend.start();
    const spinning = backend.request('spin', {}, {}, { timeout: 1500 });
    await expect(spinning).rejects.toMatchObject({ code: 'time-limit', kind: 'device' });
    expect(isAlive(pid)).toBe(false);
    expect(await increment()).toEqual(words(2, 42, 0));
  });

  it('sends what waited behind a request that ended the runner to the next one', async () => {
    const spinning = backend.request('spin', {}, {}, { timeout: 1500 });
    const behind = [increment(), increment()];
    await expect(spinning).rejects.toMatchObject({ code: 'time-limit' });
    expect(await Promise.all(behind)).toEqual([words(2, 42, 0), words(2, 42, 0)]);
  });

  it('stops at an abort signal, leaving no process', async () => {
    const { pid } = await backend.start();
    const controller = new AbortController();
    const spinning = backend.request('spin', {}, {}, { signal: controller.signal });
    setTimeout(() => controller.abort(), 500);
    await expect(spinning).rejects.toMatchObject({ code: 'interrupted', kind: 'interrupted' });
    expect(isAlive(pid)).toBe(false);
  });

  it('starts anew after its runner was killed', async () => {
    const { pid } = await backend.start();
    const spinning = backend.request('spin', {});
    setTimeout(() => process.kill(pid, 'SIGKILL'), 300);
    await expect(spinning).rejects.toMatchObject({ code: 'runner-died', kind: 'device' });
    expect(await increment()).toEqual(words(2, 42, 0));
  });

  it('tells of a lost device once and runs the next request on a new one', async () => {
    // wgpu refuses work on a destroyed device without saying that it is lost.
    const code = name === 'webgpu:deno' ? 'gpu-error' : 'device-lost';
    await expect(backend.request('lose-device', {})).rejects.toMatchObject({ kind: 'device', code });
    expect(await increment()).toEqual(words(2, 42, 0));
  });

  it.each(['allocate', 'greedy'])('tells of memory that cannot be had (%s) as one error and goes on', async (kind) => {
    await expect(backend.request(kind, {})).rejects.toMatchObject({ kind: 'device', code: 'out-of-memory' });
    expect(await increment()).toEqual(words(2, 42, 0));
  });

  it('names the line of a shader that does not compile', async () => {
    const error = { code: 'shader-compile', where: expect.stringContaining('test/shader.wgsl:1') };
    await expect(backend.request('bad-shader', {})).rejects.toMatchObject(error);
  });

  it('refuses a job it does not know', async () => {
    await expect(backend.request('no such job', {})).rejects.toThrow(/no such job/);
  });

  it('may be closed twice and used again', async () => {
    await backend.close();
    await backend.close();
    expect(await increment()).toEqual(words(2, 42, 0));
  });
});
