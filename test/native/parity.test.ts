import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend } from '../../src/backends/native.ts';
import { runReference } from '../../src/backends/reference.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { bytesOf, requireNative, shippedSpecs } from './support.ts';

/** The spec with its first rows alone, of its first group alone: the reference takes hours for all of a full-size product. */
function firstRows(spec: ResolvedSpec, rows: number): ResolvedSpec {
  if (spec.kernel === 'gemm') return { ...spec, shape: { ...spec.shape, m: Math.min(spec.shape.m, rows) } };
  if (spec.kernel === 'moe-layer') return { ...spec, shape: { ...spec.shape, tokens: rows } };
  if (spec.kernel !== 'grouped-gemm') return spec;
  const shape = { ...spec.shape, m: rows };
  return spec.layout === 'k-grouped' ? { ...spec, shape } : { ...spec, shape: { ...shape, groups: 1 }, sizes: [rows] };
}

const firstLanes = (tensor: Tensor, count: number): Tensor => ({
  dtype: tensor.dtype,
  shape: [count],
  codes: tensor.codes.subarray(0, count),
});

describe.runIf(requireNative())('native:host gives the bytes of the reference', () => {
  const backend = createNativeBackend('native:host');
  afterAll(() => backend.close());

  it.each(shippedSpecs(false).map((spec) => [`${spec.kernel} ${spec.name}`, spec] as const))('%s', async (_, spec) => {
    const expected = runReference(spec).tensors;
    const { tensors } = await backend.run(spec);
    expect(bytesOf(tensors)).toEqual(bytesOf(expected));
  });

  // On demand: FP8LAB_LARGE=1. A row of a product depends on its own row of A alone.
  const fullSize = process.env.FP8LAB_LARGE ? shippedSpecs(true) : [];
  const cases = fullSize.map((spec) => [`${spec.kernel} ${spec.name}`, spec] as const);
  it.each(cases)('%s, full size', { timeout: 600_000 }, async (_, spec) => {
    const { tensors, times } = await backend.run(spec);
    console.info(`${spec.name}: ${(times.kernel / 1000).toFixed(2)} s`);
    const first = runReference(firstRows(spec, 2)).tensors;
    // Of a product along k, every group's first rows are there; those of the first group begin the tensor.
    const expected = spec.kernel === 'grouped-gemm' ? { d: firstLanes(first.d!, 2 * spec.shape.n) } : first;
    const start = Object.entries(expected).map(([name, { shape, codes }]) => {
      const native = tensors[name]!;
      return [name, { dtype: native.dtype, shape, codes: native.codes.subarray(0, codes.length) }] as const;
    });
    expect(bytesOf(Object.fromEntries(start))).toEqual(bytesOf(expected));
  });
});
