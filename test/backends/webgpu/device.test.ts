import { expect, it } from 'vitest';
import { createGpu } from '../../../src/backends/webgpu/device.ts';
import type { Gpu, GpuWords } from '../../../src/backends/webgpu/gpu.ts';
import { workgroups } from '../../../src/backends/webgpu/submission.ts';
import { Fp8labError } from '../../../src/errors.ts';
import { describeGpu, newGpu, openDevice } from '../../helpers/gpu.ts';

const copy = (gpu: Gpu, source: GpuWords, destination: GpuWords, words: number, entryPoint = 'copy_words'): void =>
  gpu.dispatch({
    shader: 'kernels/copy',
    entryPoint,
    uniforms: [words],
    buffers: [
      { buffer: source, access: 'read' },
      { buffer: destination, access: 'read_write' },
    ],
    threads: words,
  });

async function failure(work: Promise<unknown>): Promise<Fp8labError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(Fp8labError);
    return error as Fp8labError;
  }
  throw new Error('nothing was thrown');
}

describeGpu('a device', () => {
  it('copies what was uploaded, byte tails padded with zeros', async () => {
    const gpu = newGpu();
    const source = gpu.upload(Uint8Array.of(1, 2, 3, 4, 5));
    const destination = gpu.allocate(2);
    copy(gpu, source, destination, 2);
    expect(Array.from(await gpu.read(destination))).toEqual([0x04030201, 5]);
    await gpu.destroyRun();
  });

  it('uploads a subarray from its own offset', async () => {
    const gpu = newGpu();
    const source = gpu.upload(Uint16Array.of(9, 9, 9, 1, 2, 3).subarray(3));
    const destination = gpu.allocate(2);
    copy(gpu, source, destination, 2);
    expect(Array.from(await gpu.read(destination))).toEqual([0x00020001, 3]);
    await gpu.destroyRun();
  });

  it('shows poison where a kernel did not write, and zeros where they were asked for', async () => {
    const gpu = newGpu();
    const poisoned = gpu.allocate(600_000);
    const zeroed = gpu.allocate(3, 'zero');
    expect(new Set(await gpu.read(poisoned))).toEqual(new Set([0xb5c3a569]));
    expect(Array.from(await gpu.read(zeroed))).toEqual([0, 0, 0]);
    await gpu.destroyRun();
  });

  it('hands texels from one dispatch to the next, and takes them for no buffer', async () => {
    const header = `#include "kernels/thread.wgsl"
struct Parameters { width: u32, height: u32 }
@group(0) @binding(0) var<uniform> parameters: Parameters;`;
    const body = (work: string) => `@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let thread = thread_index(workgroup, groups, local);
  let x = thread % parameters.width;
  let y = thread / parameters.width;
  if (y < parameters.height) { ${work} }
}`;
    const write = `${header}
@group(0) @binding(1) var made: texture_storage_2d<rgba32uint, write>;
${body('textureStore(made, vec2(x, y), vec4(x, y, 0xffc00001u, 1u));')}`;
    const read = `${header}
@group(0) @binding(1) var made: texture_2d<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<u32>>;
${body('result[thread] = textureLoad(made, vec2(x, y), 0);')}`;
    const gpu = newGpu({ shaders: { 'test/write': write, 'test/read': read } });
    const [width, height] = [5, 3];
    const texels = gpu.texels(width, height);
    const result = gpu.allocate(texels.words);
    const work = { entryPoint: 'main', uniforms: [width, height], threads: width * height };
    gpu.dispatch({ ...work, shader: 'test/write', buffers: [{ buffer: texels, access: 'write_texels' }] });
    const buffers = [
      { buffer: texels, access: 'read_texels' } as const,
      { buffer: result, access: 'read_write' } as const,
    ];
    gpu.dispatch({ ...work, shader: 'test/read', buffers });
    gpu.release(texels);
    const want = Array.from({ length: width * height }, (_, i) => [i % width, Math.floor(i / width), 0xffc00001, 1]);
    expect(Array.from(await gpu.read(result))).toEqual(want.flat());
    await expect(gpu.read(gpu.texels(1, 1))).rejects.toThrow('a texture');
    await gpu.destroyRun();
  });

  it('sees a write behind the end of a result', async () => {
    const gpu = newGpu();
    const source = gpu.upload(new Uint32Array(9));
    const destination = gpu.allocate(8);
    copy(gpu, source, destination, 9);
    expect((await failure(gpu.read(destination))).code).toBe('out-of-bounds-write');
    await gpu.destroyRun();
  });

  it('names the file, the line and the text of a compile error, and does not keep it', async () => {
    const text = '// fine\nfn broken() -> u32 { return 1i; }';
    const bad = newGpu({ shaders: { 'kernels/thread': text } });
    const words = bad.allocate(1);
    copy(bad, bad.upload(new Uint32Array(1)), words, 1);
    const error = await failure(bad.read(words));
    expect(error.code).toBe('shader-compile');
    expect(error.kind).toBe('device');
    expect(error.where).toMatch(/^shaders\/kernels\/thread\.wgsl:2:/);
    expect(error.message).toContain('fn broken() -> u32 { return 1i; }');
    await bad.destroyRun();
    const good = newGpu();
    const result = good.allocate(1);
    copy(good, good.upload(Uint32Array.of(7)), result, 1);
    expect(Array.from(await good.read(result))).toEqual([7]);
    await good.destroyRun();
  });

  it('gives a validation error as one clear error and works on after the run is destroyed', async () => {
    const gpu = newGpu();
    const words = gpu.allocate(1);
    copy(gpu, gpu.upload(new Uint32Array(1)), words, 1, 'no_such_entry');
    const error = await failure(gpu.read(words));
    expect(error.code).toBe('gpu-error');
    expect(error.where).toContain('no_such_entry');
    await gpu.destroyRun();
    const fresh = gpu.allocate(1, 'zero');
    expect(Array.from(await gpu.read(fresh))).toEqual([0]);
    await gpu.destroyRun();
  });

  it('says how many bytes were wanted when memory is short', async () => {
    const gpu = newGpu();
    const bytes = gpu.device.limits.maxBufferSize;
    let error: Fp8labError | undefined;
    try {
      for (let i = 0; i < 3 && error === undefined; i++) gpu.allocate(bytes);
    } catch (thrown) {
      error = thrown as Fp8labError;
    }
    expect(error?.code).toBe('out-of-memory');
    expect(error?.message).toContain(`${4 * (bytes + 16)} bytes`);
    await gpu.destroyRun();
  });

  it('ends a read with one error when the device is lost', async () => {
    const opened = await openDevice();
    const gpu = createGpu(opened!.device);
    const words = gpu.allocate(4);
    opened!.device.destroy();
    const error = await failure(gpu.read(words));
    expect([error.code, error.kind]).toEqual(['device-lost', 'device']);
    await gpu.destroyRun();
  });

  it('runs more workgroups than one dimension holds', async () => {
    const words = 64 * 65535 + 130;
    const gpu = newGpu();
    const source = gpu.upload(Uint32Array.from({ length: words }, (_, i) => i));
    const destination = gpu.allocate(words);
    copy(gpu, source, destination, words);
    const result = await gpu.read(destination);
    expect(result.findIndex((word, i) => word !== i)).toBe(-1);
    await gpu.destroyRun();
  });

  it('splits workgroups so that both dimensions hold and none is missing', () => {
    expect(workgroups(1, 65535)).toEqual([1, 1]);
    expect(workgroups(64 * 65535, 65535)).toEqual([65535, 1]);
    const [x, y] = workgroups(2 ** 31, 65535);
    expect(x).toBeLessThanOrEqual(65535);
    expect(x * y * 64).toBeGreaterThanOrEqual(2 ** 31);
  });
});
