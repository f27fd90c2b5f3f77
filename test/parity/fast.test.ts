import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackend } from '../../src/backends/registry.ts';
import type { VariantChoices } from '../../src/kernels/variants.ts';
import { type ParityRun, runSuite } from '../../src/parity/suite.ts';
import { shippedSpecs } from '../../src/specs/load.ts';

/** Plain f32 rounds elsewhere than the reference: decibels that are left of a result all the same. */
const leastSqnr = 30;

/** Of each kernel the first specs that are no edge cases: those look for bits that single precision need not give. */
const chosen: string[] = [];
const shipped = await shippedSpecs(fileURLToPath(new URL('../../specs', import.meta.url)));
const specs = shipped.filter(({ spec }) => {
  const ordinary = !spec.large && !/^(edge|long|wild|near|arithmetic|combine|promote)/.test(spec.name);
  if (!ordinary || chosen.filter((kernel) => kernel === spec.kernel).length >= 4) return false;
  chosen.push(spec.kernel);
  return true;
});
/** Once as the trial chooses, once by the variants for GPUs: a software adapter would choose few of them. */
const wanted: [string, VariantChoices, typeof specs][] = [
  ['by trial', {}, specs],
  [
    'by groups of threads',
    {
      'quantize-lines': 'workgroups',
      'quantize-tiles': 'workgroups',
      dequantize: 'fours',
      'swiglu-quantize': 'fused-workgroups',
      gemm: 'halves-64x64',
      gate: 'workgroups',
      permute: 'workgroups',
    },
    [
      ...specs.filter(({ spec: { kernel } }) =>
        ['requantize', 'swiglu-quantize', 'gemm', 'grouped-gemm', 'gate', 'permute'].includes(kernel),
      ),
      // Subnormal codes, and e5m2's: halves in workgroup memory must keep both.
      ...shipped.filter(({ label }) => ['gemm/edge-small-codes', 'gemm/edge-exact-e5m2'].includes(label)),
    ],
  ],
];

describe.each(wanted)('the fast tier in Deno, %s', (_, variants, chosen) => {
  const backends = [createBackend('reference'), createBackend('webgpu:deno', { variants })];
  let run: ParityRun;
  beforeAll(async () => {
    run = await runSuite(chosen, backends, { tier: 'fast', timeout: 120_000 });
  }, 300_000);
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
  });

  it.each(chosen.map(({ label }) => label))('%s is near the reference', (label) => {
    const entry = run.entries.find(({ spec, backend }) => spec === label && backend === 'webgpu:deno');
    expect(entry?.error).toBeUndefined();
    for (const { name, metrics, status } of entry!.comparison!.tensors) {
      if (status === 'equal') continue;
      expect(status, name).toBe('differs');
      // null: no noise, as between the two zeros.
      expect(metrics!.sqnr ?? Number.POSITIVE_INFINITY, name).toBeGreaterThan(leastSqnr);
    }
  });
});

it('says which feature a variant takes that lavapipe in Deno lacks, and what it has', async () => {
  const backend = createBackend('webgpu:deno', { variants: { 'quantize-lines': 'subgroups' } });
  const { spec } = specs.find(({ spec }) => spec.kernel === 'quantize')!;
  try {
    await expect(backend.run(spec, { tier: 'fast' })).rejects.toMatchObject({
      code: 'variant-not-here',
      kind: 'usage',
      message: expect.stringMatching(/quantize-lines=subgroups needs subgroups, which .* lacks/),
      where: '--variant quantize-lines=subgroups on webgpu:deno',
      fix: 'choose among quantize-lines=threads, quantize-lines=workgroups',
    });
  } finally {
    await backend.close();
  }
}, 60_000);
