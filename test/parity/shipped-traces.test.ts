import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { coordinatesOf } from '../../src/parity/compare.ts';
import { createTracer } from '../../src/parity/explain.ts';
import { shippedSpecs } from '../../src/specs/load.ts';
import { workOf } from '../helpers/specs.ts';

const specs = await shippedSpecs(fileURLToPath(new URL('../../specs', import.meta.url)));

const small = specs.filter(({ spec }) => workOf(spec) <= (spec.kernel.endsWith('gemm') ? 40e6 : 8e6));

/** Indices spread over a tensor, its first and last among them, off any period of tiles. */
function sample(length: number, wanted: number): number[] {
  if (length <= wanted) return Array.from({ length }, (_, i) => i);
  const spread = Array.from({ length: wanted - 2 }, (_, i) => (i * 7_919 + 13) % length);
  return [0, ...spread, length - 1];
}

describe('elements of shipped specs, derived step by step, have the bits of the reference', () => {
  it('most specs are small enough to be tried here', () => {
    expect(small.length).toBeGreaterThan(specs.length / 2);
  });

  it.each(small.map(({ label, spec }) => [label, spec] as const))('%s', (_, spec) => {
    const inputs = materializeInputs(kernelOf(spec).inputs(spec));
    const trace = createTracer(spec, inputs);
    for (const [name, result] of Object.entries(kernelOf(spec).reference(spec, inputs))) {
      for (const i of sample(result.codes.length, 12)) {
        const { coordinates, result: derived } = trace(name, coordinatesOf(i, result.shape));
        expect([name, coordinates, Number(derived.code)]).toEqual([name, coordinates, result.codes[i]]);
      }
    }
  });
});
