import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findVulkanDrivers } from '../../../src/backends/machine.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../../../src/backends/webgpu/backend.ts';
import type { WebGpuName } from '../../../src/backends/webgpu/launches.ts';
import { modelPresets } from '../../../src/specs/presets.ts';
import type { Tensor } from '../../../src/tensors/tensor.ts';
import { recorded } from '../../helpers/recorded.ts';
import { buildTestRunner, type TestRunner } from '../../helpers/runner.ts';

let runner: TestRunner;
beforeAll(async () => {
  runner = await buildTestRunner();
});
afterAll(() => runner.remove());

const drivers = findVulkanDrivers().filter(({ software, icd }) => software && existsSync(icd));

/** Every runtime on its usual adapter, and Deno on each software driver: one WGSL source, both compilers, both drivers. */
const runtimes: readonly (readonly [WebGpuName, string, string | undefined])[] = [
  ['webgpu:node', 'its usual adapter', undefined],
  ['webgpu:chromium', 'its usual adapter', undefined],
  ...drivers.map(({ name, icd }) => ['webgpu:deno', name, icd] as const),
];

const codes = (dtype: Tensor['dtype'], lanes: Tensor['codes'], shape: readonly number[]): Tensor => ({
  dtype,
  shape,
  codes: lanes,
});

describe.each(runtimes)('%s on %s', (name, _, icd) => {
  let backend: WebGpuBackend;
  beforeAll(() => {
    const env = icd === undefined ? process.env : { ...process.env, FP8LAB_VULKAN_ICD: icd };
    backend = createWebGpuBackend(name, { adapter: 'auto', runnerFile: runner.file, env });
  });
  afterAll(() => backend.close());

  it.each([
    ['h100', 'hopper-wgmma-fp8', 'e4m3'],
    ['h100', 'hopper-wgmma-fp8', 'e5m2'],
    ['l40s', 'ada-mma-fp8', 'e4m3'],
    ['l40s', 'ada-mma-fp8', 'e5m2'],
  ] as const)('gives the bits of 2,500 dot products that a %s computed: %s, %s', async (device, model, format) => {
    const { a, b, c, d } = recorded(device, format);
    const inputs = {
      a: codes('U8', a, [2500, 32]),
      b: codes('U8', b, [2500, 32]),
      ...(c && { c: codes('U32', c, [2500]) }),
    };
    const { tensors } = await backend.request('steps', { model: modelPresets[model], format }, inputs);
    const got = tensors.y!.codes;
    expect(got.length).toBe(2500);
    expect(Array.from(d).filter((bits, row) => bits !== got[row])).toEqual([]);
  });
});
