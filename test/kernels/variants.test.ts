import { expect, it } from 'vitest';
import { shadersOf } from '../../src/backends/webgpu/dry-run.ts';
import type { Gpu } from '../../src/backends/webgpu/gpu.ts';
import { gemmFamily } from '../../src/kernels/gemm/variants.ts';
import { kernelOf, kernels } from '../../src/kernels/index.ts';
import { chooseVariant, type Variant } from '../../src/kernels/variants.ts';
import { shippedSpecs } from '../../src/playground/services/specs.ts';

const names = Object.keys(kernels) as (keyof typeof kernels)[];

it.each(names)('%s names the families whose variants it takes', async (name) => {
  const specs = shippedSpecs().filter(({ spec }) => spec.kernel === name && !spec.large && !/^edge/.test(spec.name));
  const taken = new Set<string>();
  for (const { spec } of specs.slice(0, 6)) {
    for (const variant of (await shadersOf(spec, { tier: 'fast' })).variants) taken.add(variant.split('=')[0]!);
  }
  // A dry run reads zeros where experts were chosen: it may come to fewer kernels than a layer has, never to more.
  const named = (kernelOf(specs[0]!.spec).families ?? []).map((family) => family.name);
  expect(named).toEqual(expect.arrayContaining([...taken]));
  expect(taken.size > 0).toBe(named.length > 0);
});

it('a variant is taken only where the adapter has what it needs, whether it was chosen or comes first', () => {
  const fitting: readonly [Variant, ...Variant[]] = [
    { name: 'gpus', needs: ['subgroups'] },
    { name: 'all' },
    { name: 'other' },
  ];
  const take = (features: readonly string[], chosen?: string): string => {
    const gpu = {
      variants: chosen === undefined ? {} : { gemm: chosen },
      taken: new Set<string>(),
      has: (feature: string) => features.includes(feature),
    } as unknown as Gpu;
    const { name } = chooseVariant(gpu, gemmFamily, fitting);
    expect([...gpu.taken]).toEqual([`gemm=${name}`]);
    return name;
  };
  expect(take(['subgroups'])).toBe('gpus');
  expect(take([])).toBe('all');
  expect(take([], 'gpus')).toBe('all');
  expect(take([], 'other')).toBe('other');
  expect(take(['subgroups'], 'unfit')).toBe('gpus');
});
