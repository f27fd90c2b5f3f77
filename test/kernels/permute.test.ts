import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { permuteReference, placeSlots } from '../../src/kernels/permute/reference.ts';
import { unpermuteReference } from '../../src/kernels/unpermute/reference.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import { permutedRows } from '../../src/specs/kernels/permute.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { PermuteSpec, UnpermuteSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { matrix, permuteSpec, schemeOf, unpermuteSpec } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 120_000 });

const i32 = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'I32',
  shape,
  codes: Uint32Array.from(values, (value) => value >>> 0),
});

const f32 = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'F32',
  shape,
  codes: new Uint32Array(Float32Array.from(values).buffer),
});

const signed = (tensor: Tensor | undefined): number[] => Array.from(tensor!.codes, (lane) => lane | 0);

/** Routings of every kind: masked slots, repeated experts, one expert, none. */
const routings = fc
  .record({
    tokens: fc.integer({ min: 1, max: 40 }),
    topk: fc.integer({ min: 1, max: 6 }),
    experts: fc.integer({ min: 6, max: 20 }),
    alignment: fc.constantFrom(1, 2, 7, 16, 128),
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      chosen: fc.array(fc.integer({ min: -1, max: shape.experts - 1 }), {
        minLength: shape.tokens * shape.topk,
        maxLength: shape.tokens * shape.topk,
      }),
    }),
  );

describe('placing slots', () => {
  test('rows are the slots sorted by expert, stably, each expert at a multiple of the alignment', () => {
    fc.assert(
      fc.property(routings, ({ shape, chosen }) => {
        const placement = placeSlots(
          Uint32Array.from(chosen, (expert) => expert >>> 0),
          shape,
          shape.alignment,
        );
        // The same by JavaScript's own stable sort, padded group by group.
        const sorted = chosen.map((expert, slot) => ({ expert, slot })).filter(({ expert }) => expert >= 0);
        sorted.sort((a, b) => a.expert - b.expert);
        const rows: number[] = [];
        const offsets = [0];
        for (let expert = 0; expert < shape.experts; expert++) {
          rows.push(...sorted.filter((entry) => entry.expert === expert).map(({ slot }) => slot));
          while (rows.length % shape.alignment !== 0) rows.push(-1);
          offsets.push(rows.length);
        }
        expect(rows.length).toBeLessThanOrEqual(permutedRows(shape, shape.alignment));
        while (rows.length < permutedRows(shape, shape.alignment)) rows.push(-1);
        expect(Array.from(placement.rowToSlot, (slot) => slot | 0)).toEqual(rows);
        expect([...placement.offsets]).toEqual(offsets);
      }),
      { numRuns: 300 },
    );
  });

  test('every slot that goes somewhere has one row, and the maps undo each other', () => {
    fc.assert(
      fc.property(routings, ({ shape, chosen }) => {
        const { counts, rowToSlot, slotToRow } = placeSlots(
          Uint32Array.from(chosen, (expert) => expert >>> 0),
          shape,
          shape.alignment,
        );
        chosen.forEach((expert, slot) => {
          const row = slotToRow[slot]! | 0;
          expect(row >= 0).toBe(expert >= 0);
          if (row >= 0) expect(rowToSlot[row]).toBe(slot);
        });
        const filled = rowToSlot.filter((slot) => (slot | 0) >= 0);
        expect(new Set(filled).size).toBe(filled.length);
        expect(filled.length).toBe(counts.reduce((sum, count) => sum + count, 0));
      }),
      { numRuns: 300 },
    );
  });

  test('the capacity is reached by some routing, and is no tensor larger than it needs', () => {
    for (const [tokens, topk, experts, alignment] of [
      [40, 2, 8, 16],
      [3, 1, 8, 16],
      [1, 1, 1, 128],
      [70, 8, 9, 4],
    ] as const) {
      const slots = tokens * topk;
      // One slot for each expert but the last, the rest for the last: the most padding there can be.
      const chosen = Uint32Array.from({ length: slots }, (_, slot) => Math.min(slot, experts - 1));
      const { offsets } = placeSlots(chosen, { tokens, topk, experts }, alignment);
      expect(offsets.at(-1)).toBe(permutedRows({ tokens, topk, experts }, alignment));
    }
  });

  test('counts do not wrap past 16 bits, with every token at one expert', () => {
    const tokens = 73_728;
    const chosen = new Uint32Array(tokens).fill(3);
    const { counts, offsets, slotToRow } = placeSlots(chosen, { tokens, topk: 1, experts: 4 }, 128);
    expect([...counts]).toEqual([0, 0, 0, tokens]);
    expect([...offsets]).toEqual([0, 0, 0, 0, tokens]);
    expect(slotToRow[tokens - 1]).toBe(tokens - 1);
  });
});

describe('moved rows', () => {
  const run = (spec: PermuteSpec, inputs: Tensors): Tensors => permuteReference(spec, inputs);

  test('hold the token of their slot, zeros where there is none', () => {
    const spec = permuteSpec({ tokens: 3, hidden: 2, experts: 3, topk: 2 }, 2);
    const x: Tensor = { dtype: 'BF16', shape: [3, 2], codes: Uint16Array.of(1, 2, 3, 4, 5, 6) };
    const { x: moved, ...maps } = run(spec, { x, topk_idx: i32([2, 0, 0, -1, 0, 2], [3, 2]) });
    expect([...moved!.codes]).toEqual([1, 2, 3, 4, 5, 6, 0, 0, 1, 2, 5, 6, 0, 0, 0, 0]);
    expect(signed(maps.counts)).toEqual([3, 0, 2]);
    expect(signed(maps.offsets)).toEqual([0, 4, 4, 6]);
    expect(signed(maps.row_to_slot)).toEqual([1, 2, 4, -1, 0, 5, -1, -1]);
    expect(signed(maps.slot_to_row)).toEqual([4, 0, 1, -1, 2, 5]);
  });

  test('quantized, they have the codes and scales of their token', () => {
    const scheme = schemeOf({ tile: [1, 32] });
    const spec = permuteSpec({ tokens: 20, hidden: 70, experts: 4, topk: 2 }, 8, scheme);
    const chosen = Array.from({ length: 40 }, (_, slot) => ((slot * 7) % 5) - 1);
    const x = matrix(20, 70, 'bf16');
    const { codes, scales, row_to_slot } = run(spec, { x, topk_idx: i32(chosen, [20, 2]) });
    for (const [row, slot] of signed(row_to_slot).entries()) {
      const token = Math.floor(slot / 2);
      // A row alone, quantized.
      const alone = permuteReference(permuteSpec({ tokens: 1, hidden: 70, experts: 1, topk: 1 }, 1, scheme), {
        x: { ...x, shape: [1, 70], codes: x.codes.subarray(token * 70, token * 70 + 70) },
        topk_idx: i32([0], [1, 1]),
      });
      const want = slot < 0 ? new Array(70).fill(0) : [...alone.codes!.codes];
      expect([...codes!.codes.subarray(row * 70, row * 70 + 70)]).toEqual(want);
      const wantScales = slot < 0 ? [0, 0, 0] : [...alone.scales!.codes];
      expect([...scales!.codes.subarray(row * 3, row * 3 + 3)]).toEqual(wantScales);
    }
  });
});

describe('the way back', () => {
  const sum = (spec: UnpermuteSpec, inputs: Tensors): number[] =>
    Array.from(unpermuteReference(spec, inputs).codes, fromBits);

  test('unpermute of permute gives every token as often as it has slots', () => {
    fc.assert(
      fc.property(routings, ({ shape, chosen }) => {
        const { tokens, topk } = shape;
        const hidden = 3;
        const values = Array.from({ length: tokens * hidden }, (_, i) => (i % 17) - 8);
        const { x, slot_to_row } = permuteReference(permuteSpec({ ...shape, hidden }, shape.alignment), {
          x: f32(values, [tokens, hidden]),
          topk_idx: i32(chosen, [tokens, topk]),
        });
        const spec = unpermuteSpec({ tokens, hidden, topk, rows: x!.shape[0]! }, 'f32');
        const used = Array.from(
          { length: tokens },
          (_, token) => chosen.slice(token * topk, (token + 1) * topk).filter((expert) => expert >= 0).length,
        );
        const want = values.map((value, i) => value * used[Math.floor(i / hidden)]! + 0);
        expect(sum(spec, { x: x!, slot_to_row: slot_to_row! })).toEqual(want);
      }),
      { numRuns: 100 },
    );
  });

  test('weights are applied in the order of slots, one rounding each', () => {
    const spec = unpermuteSpec({ tokens: 1, hidden: 1, topk: 3, rows: 3 }, 'f32', true);
    const big = 2 ** 24;
    const inputs = (order: readonly number[]): Tensors => ({
      x: f32([big, 1, -big], [3, 1]),
      slot_to_row: i32(order, [1, 3]),
      topk_weights: f32([1, 1, 1], [1, 3]),
    });
    // 2^24 + 1 rounds to 2^24: the order shows.
    expect(sum(spec, inputs([0, 1, 2]))).toEqual([0]);
    expect(sum(spec, inputs([0, 2, 1]))).toEqual([1]);
    // fma: the product is not rounded on its own.
    const fused = {
      x: f32([1 + 2 ** -12, 1], [2, 1]),
      slot_to_row: i32([1, 0, -1], [1, 3]),
      topk_weights: f32([-1, 1 - 2 ** -12, 9], [1, 3]),
    };
    expect(sum(unpermuteSpec({ tokens: 1, hidden: 1, topk: 3, rows: 2 }, 'f32', true), fused)).toEqual([-(2 ** -24)]);
  });

  test('a token without slots is +0, and so is a sum of -0', () => {
    const spec = unpermuteSpec({ tokens: 2, hidden: 1, topk: 1, rows: 1 }, 'f32');
    expect(sum(spec, { x: f32([-0], [1, 1]), slot_to_row: i32([-1, 0], [2, 1]) })).toEqual([0, 0]);
  });

  test('every negative row is none', () => {
    const spec = unpermuteSpec({ tokens: 1, hidden: 1, topk: 3, rows: 1 }, 'f32');
    expect(sum(spec, { x: f32([5], [1, 1]), slot_to_row: i32([-2, 0, -(2 ** 31)], [1, 3]) })).toEqual([5]);
  });
});

describe('bad input is refused', () => {
  const permute = { fp8lab: 1, kernel: 'permute', name: 'p', x: { input: 'normal' }, topkIdx: 'routing' };
  const shape = { tokens: 4, hidden: 8, experts: 4, topk: 2 };

  test.each([
    [{ shape: { ...shape, topk: 5 } }, 'shape.topk: is 5, and there are 4 experts'],
    [{ shape, topkIdx: { generate: 'routing', experts: 8 } }, 'topkIdx.experts: is 8, and the shape has 4'],
    [{ shape, topkIdx: { generate: 'routing', used: 9 } }, 'topkIdx.used: is 9, and there are 4 experts'],
    [{ shape, x: { scheme: 'weight-128x128', input: 'normal' } }, 'rows that share a scale cannot be parted'],
    [{ shape, x: { codes: 'bits' } }, 'has neither a scheme nor input alone'],
    [{ shape: { ...shape, tokens: 2 ** 24, topk: 1000, experts: 1000 } }, 'more than 2147483647'],
  ])('%j', (fields, message) => {
    expect(() => resolveSpec({ ...permute, ...fields })).toThrow(message);
  });

  test('an expert that is not there, with its place', () => {
    const spec = permuteSpec({ tokens: 2, hidden: 1, experts: 3, topk: 1 }, 1);
    const inputs = { x: f32([1, 2], [2, 1]), topk_idx: i32([2, 3], [2, 1]) };
    expect(() => permuteReference(spec, inputs)).toThrow('topk_idx has 3 at element 1; there are 3');
    const unsigned = { ...inputs, topk_idx: { ...inputs.topk_idx, dtype: 'F32' as const } };
    expect(() => permuteReference(spec, unsigned)).toThrow('expected I32');
  });

  test('weights of another dtype', () => {
    const spec = { fp8lab: 1, kernel: 'unpermute', name: 'u', x: { input: 'normal' }, slotToRow: 'routing' };
    const fields = { shape: { tokens: 4, hidden: 8, topk: 2, rows: 8 }, topkWeights: { input: 'positive' } };
    expect(() => resolveSpec({ ...spec, ...fields })).toThrow('topkWeights.input.dtype: is bf16, and weights are f32');
  });
});
