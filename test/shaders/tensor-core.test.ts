import { expect, it } from 'vitest';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { philoxWord } from '../../src/numerics/philox.ts';
import { alignedStep, operandTable, stepIndices } from '../../src/numerics/tensor-core.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { recorded } from '../helpers/recorded.ts';
import { differences } from '../helpers/shader.ts';
import { matrix, models } from '../helpers/specs.ts';
import { stepsOnGpu } from '../helpers/steps.ts';

describeGpu('WGSL gives the bits of real tensor cores', () => {
  it.each([
    ['h100', models.hopper, 'e4m3'],
    ['h100', models.hopper, 'e5m2'],
    ['l40s', models.ada, 'e4m3'],
    ['l40s', models.ada, 'e5m2'],
  ] as const)('%s: all 2,500 dot products of %o in %s', async (device, model, format) => {
    const { a, b, c, d } = recorded(device, format);
    const got = await stepsOnGpu(model, [format, format], a, b, 2500, 32, c);
    expect(d.length).toBe(2500);
    expect(differences(got, d)).toEqual([]);
  });
});

/** Whether a sum of FP8 products can be this accumulator: zero, or finite from 2^-45 to 2^60. */
const isOwn = (bits: number): boolean => {
  const field = (bits >>> 23) & 0xff;
  return (bits & 0x7fffffff) === 0 || (field >= 82 && field <= 187);
};

describeGpu('exact floating point gives the bits of real tensor cores', () => {
  it.each([
    ['h100', models.hopper, 'e4m3'],
    ['h100', models.hopper, 'e5m2'],
    ['l40s', models.ada, 'e4m3'],
    ['l40s', models.ada, 'e5m2'],
  ] as const)(
    '%s: the dot products of %o in %s onto accumulators that sums can have',
    async (device, model, format) => {
      const { a, b, c, d } = recorded(device, format);
      const got = await stepsOnGpu(model, [format, format], a, b, 2500, 32, c, true);
      const own = Array.from(d.keys()).filter((i) => c === undefined || isOwn(c[i]!));
      expect(own.length).toBeGreaterThan(300);
      expect(own.filter((i) => got[i] !== d[i])).toEqual([]);
    },
  );

  it.each([
    [models.hopper, 'e4m3', 'e5m2'],
    [models.hopper, 'e5m6', 'e5m6'],
    [models.hopper, 'f16', 'f16'],
    [models.ada, 'e5m2', 'e5m2'],
    [{ ...models.hopper, output: 'f32-rne', fractionBits: 17 }, 'e3m2', 'e2m1'],
    [{ ...models.hopper, fractionBits: 3, output: 'f32-rz' }, 'e2m3', 'e4m3'],
  ] as const)('chains of steps of %o on %s by %s, specials among them', async (model, left, right) => {
    const rows = 2000;
    const k = 8 * model.terms;
    for (const content of ['finite', 'bits'] as const) {
      const [a, b] = [matrix(rows, k, left, content, 31).codes, matrix(rows, k, right, content, 32).codes];
      const got = await stepsOnGpu(model, [left, right], a, b, rows, k, undefined, true);
      const want = await stepsOnGpu(model, [left, right], a, b, rows, k);
      expect(differences(got, want), content).toEqual([]);
    }
  });
});

/** Accumulators of any bit pattern, a third of them near the products' own size so that they take part. */
function accumulators(rows: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, i) => {
    const word = philoxWord(8, i, 0);
    if (i % 3 === 0) return word;
    const near = ((word & 0x807fffff) | ((100 + ((word >>> 8) % 60)) << 23)) >>> 0;
    return i % 3 === 1 ? near : (word & 0x80000003) >>> 0;
  });
}

describeGpu('WGSL steps equal the twin from any accumulator', () => {
  it.each([
    [models.hopper, 'e4m3', 'e5m2'],
    [models.ada, 'e5m2', 'e5m2'],
    [models.blackwell, 'e4m3', 'e4m3'],
    [models.mmaSync, 'e4m3', 'e4m3'],
    [models.bf16, 'bf16', 'bf16'],
    [models.bf16, 'f16', 'f16'],
    [models.fp4, 'e2m1', 'e2m1'],
  ] as const)('%o on %s by %s', async (model, left, right) => {
    const rows = 3000;
    const k = 2 * model.terms;
    for (const content of ['finite', 'bits'] as const) {
      const a = matrix(rows, k, left, content, 21).codes;
      const b = matrix(rows, k, right, content, 22).codes;
      const c = accumulators(rows);
      const got = await stepsOnGpu(model, [left, right], a, b, rows, k, c);
      const want = Uint32Array.from(c, (start, row) => {
        let sum = fromBits(start);
        const [x, y] = [a, b].map((codes) => ({ codes, offset: row * k })) as [never, never];
        for (const indices of stepIndices(model, k)) {
          sum = alignedStep(model, operandTable(left), operandTable(right), x, y, indices, indices.length, sum);
        }
        return bitsOf(sum);
      });
      expect(differences(got, want), content).toEqual([]);
    }
  });
});
