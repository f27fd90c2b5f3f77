import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendName } from '../../src/backends/backend.ts';
import { createBackend } from '../../src/backends/registry.ts';
import { describeTensor } from '../../src/parity/compare.ts';
import { type ParityRun, runSuite } from '../../src/parity/suite.ts';
import { type LoadedSpec, shippedSpecs } from '../../src/specs/load.ts';
import { defaultAmaxFloor } from '../../src/specs/presets.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';

const runtimes: readonly BackendName[] = ['webgpu:node', 'webgpu:deno', 'webgpu:chromium'];
const shipped = (await shippedSpecs(fileURLToPath(new URL('../../specs', import.meta.url)))).filter(
  ({ spec }) => !spec.large,
);
/** Every bf16 pattern once: in order (tiles of one exponent) or strided by an odd number (tiles of all exponents, NaN and Inf among them). */
const patterns = (stride: number): Tensor => ({
  dtype: 'BF16',
  shape: [2048, 32],
  codes: Uint16Array.from({ length: 65536 }, (_, i) => (i * stride) & 0xffff),
});

const recipes = Object.entries(defaultAmaxFloor).flatMap(([recipe]): (LoadedSpec & { stride: number })[] =>
  [1, 40503].map((stride) => {
    const nvfp4 = recipe === 'nvfp4';
    const spec = resolveSpec({
      fp8lab: 1,
      kernel: 'quantize',
      name: `bf16-patterns-${recipe}-${stride}`,
      shape: { rows: 2048, columns: 32 },
      x: { input: 'bits' },
      scheme: { format: nvfp4 ? 'e2m1' : 'e4m3', tile: [1, nvfp4 ? 16 : 8], scale: { recipe, amaxFloor: 0 } },
    });
    return { label: `${recipe} over all bf16 patterns, stride ${stride}`, path: '', spec, stride };
  }),
);
const inputs = new Map(recipes.map(({ label, stride }) => [label, { x: patterns(stride) }]));
const specs: readonly LoadedSpec[] = [...shipped, ...recipes];
const backends = ['reference' as const, ...runtimes].map((name) => createBackend(name));

let run: ParityRun;
beforeAll(async () => {
  run = await runSuite(specs, backends, { timeout: 300_000, inputsOf: async ({ label }) => inputs.get(label) });
}, 600_000);
afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.close()));
});

describe.each(runtimes)('%s gives the bits of the reference', (name) => {
  it.each(specs.map(({ label }) => label))('%s', (label) => {
    const entry = run.entries.find(({ spec, backend }) => spec === label && backend === name);
    expect(entry?.error).toBeUndefined();
    expect(entry?.comparison?.tensors.map(describeTensor).filter(Boolean)).toEqual([]);
    expect(entry?.elements).toBeGreaterThan(0);
    expect(entry?.mismatches).toBe(0);
  });
});
