import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { combineReference } from '../../src/kernels/combine/reference.ts';
import { dispatchReference } from '../../src/kernels/dispatch/reference.ts';
import { unpermuteReference } from '../../src/kernels/unpermute/reference.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import { generate } from '../../src/tensors/generate.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { combineSpec, dispatchSpec, matrix, unpermuteSpec } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 120_000 });

const f32 = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'F32',
  shape,
  codes: new Uint32Array(Float32Array.from(values).buffer),
});
const signed = (tensor: Tensor | undefined): number[] => Array.from(tensor!.codes, (lane) => lane | 0);

const systems = fc
  .record({
    nodes: fc.integer({ min: 1, max: 3 }),
    gpusPerNode: fc.integer({ min: 1, max: 3 }),
    perRank: fc.integer({ min: 1, max: 4 }),
    tokens: fc.integer({ min: 1, max: 6 }),
    topk: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(1000),
    layout: fc.constantFrom('normal' as const, 'low-latency' as const),
  })
  .map(({ nodes, gpusPerNode, perRank, tokens, topk, seed, layout }) => {
    const ranks = nodes * gpusPerNode;
    const experts = ranks * perRank;
    const shape = { tokens, hidden: 3, experts, topk: Math.min(topk, experts) };
    const topk_idx = generate(
      { generate: 'routing', seed, dtype: 'i32', experts, used: experts, skew: 1, maskedTokens: 0.1, maskedSlots: 0.1 },
      [ranks * tokens, shape.topk],
    );
    return { shape, ranks, gpusPerNode, perRank, layout, topk_idx };
  });

const inputsOf = ({
  shape,
  ranks,
  topk_idx,
}: {
  shape: { tokens: number; topk: number };
  ranks: number;
  topk_idx: Tensor;
}): Tensors => {
  const tokens = ranks * shape.tokens;
  return {
    // The value says the token.
    x: f32(
      Array.from({ length: tokens * 3 }, (_, i) => Math.floor(i / 3)),
      [tokens, 3],
    ),
    topk_idx,
    topk_weights: f32(
      Array.from({ length: tokens * shape.topk }, (_, i) => 1 + i),
      [tokens, shape.topk],
    ),
  };
};

describe('dispatch', () => {
  test('every slot of every token arrives exactly once, at the rank that has its expert', () => {
    fc.assert(
      fc.property(systems, (system) => {
        const { shape, ranks, gpusPerNode, perRank, layout, topk_idx } = system;
        const spec = dispatchSpec(shape, ranks, gpusPerNode, layout);
        const got = dispatchReference(spec, inputsOf(system));
        const rows = got.x!.shape[0]!;
        const source = signed(got.source);
        const arrived: string[] = [];
        for (let row = 0; row < rows; row++) {
          const [rank, token] = [source[2 * row]!, source[2 * row + 1]!];
          const value = fromBits(got.x!.codes[3 * row]!);
          if (rank < 0) {
            expect(value).toBe(0);
            continue;
          }
          expect(value).toBe(rank * shape.tokens + token);
          if (layout === 'low-latency') {
            arrived.push(`${rank * shape.tokens + token}:${Math.floor(row / (ranks * shape.tokens))}`);
            continue;
          }
          const offsets = signed(got.offsets);
          const at = offsets.findLastIndex((start, i) => i < ranks && start <= row);
          for (let k = 0; k < shape.topk; k++) {
            const local = signed(got.recv_idx)[row * shape.topk + k]!;
            const weight = fromBits(got.recv_weights!.codes[row * shape.topk + k]!);
            const slot = (rank * shape.tokens + token) * shape.topk + k;
            expect(weight).toBe(local < 0 ? 0 : 1 + slot);
            if (local >= 0) arrived.push(`${rank * shape.tokens + token}:${at * perRank + local}`);
          }
        }
        const sent = signed(topk_idx)
          .map((expert, slot) => [expert, `${Math.floor(slot / shape.topk)}:${expert}`] as const)
          .filter(([expert]) => expert >= 0)
          .map(([, name]) => name);
        expect(arrived.sort()).toEqual(sent.sort());
      }),
      { numRuns: 150 },
    );
  });

  test('a token crosses to a node once and is forwarded there; a message of low latency crosses for every slot', () => {
    // Two nodes of two GPUs, one expert a GPU; rank 1's token goes to experts 1, 2 and 3.
    const shape = { tokens: 1, hidden: 4, experts: 4, topk: 3 };
    const none = [-1, -1, -1];
    const chosen = [...none, 1, 2, 3, ...none, ...none];
    const inputs = {
      x: f32(new Array(16).fill(1), [4, 4]),
      topk_idx: { dtype: 'I32' as const, shape: [4, 3], codes: Uint32Array.from(chosen, (it) => it >>> 0) },
      topk_weights: f32(new Array(12).fill(1), [4, 3]),
    };
    const normal = dispatchReference(dispatchSpec(shape, 4, 2, 'normal'), inputs);
    const message = 4 * 4 + 8 * 3;
    expect(signed(normal.ib_bytes)).toEqual([0, message, 0, 0]);
    const nvlink = new Array(16).fill(0);
    // Rank 3 has rank 1's number on the other node: it takes the token and hands it to rank 2.
    nvlink[3 * 4 + 2] = message;
    expect(signed(normal.nvlink_bytes)).toEqual(nvlink);
    const fast = dispatchReference(dispatchSpec(shape, 4, 2, 'low-latency'), inputs);
    expect(signed(fast.ib_bytes)).toEqual([0, 2 * (4 * 4 + 16), 0, 0]);
    expect(signed(fast.nvlink_bytes)).toEqual(new Array(16).fill(0));
  });

  test('a token of more nodes than allowed is refused with its number', () => {
    const shape = { tokens: 1, hidden: 3, experts: 4, topk: 2 };
    const topk_idx = { dtype: 'I32' as const, shape: [4, 2], codes: Uint32Array.of(0, 1, 0, 3, 0, 1, 0, 1) };
    const spec = { ...dispatchSpec(shape, 4, 2, 'normal'), nodeLimit: 1 };
    expect(() => dispatchReference(spec, inputsOf({ shape, ranks: 4, topk_idx }))).toThrow('token 1 goes to 2 nodes');
  });

  test('an expert that is named more often than its block has rows is refused', () => {
    const shape = { tokens: 1, hidden: 3, experts: 4, topk: 2 };
    const topk_idx = { dtype: 'I32' as const, shape: [4, 2], codes: Uint32Array.of(0, 0, 0, 0, 1, 1, 0, 2) };
    const inputs = inputsOf({ shape, ranks: 4, topk_idx });
    const refused = 'expert 0 has 5 slots, and its block has 4 rows';
    expect(() => dispatchReference(dispatchSpec(shape, 4, 2, 'low-latency'), inputs)).toThrow(refused);
    expect(signed(dispatchReference(dispatchSpec(shape, 4, 2, 'normal'), inputs).counts)).toEqual([3, 1, 1, 0]);
  });

  test.each([
    [{ ranks: 3 }, 'ranks: is 3, and does not divide the 8 experts'],
    [{ gpusPerNode: 3 }, 'gpusPerNode: is 3, and does not divide the 4 ranks'],
    [{ shape: { tokens: 2, hidden: 8, experts: 8, topk: 9 } }, 'shape.topk: is 9, and there are 8 experts'],
  ])('%j is refused', (fields, message) => {
    const spec = {
      fp8lab: 1,
      kernel: 'dispatch',
      name: 'd',
      shape: { tokens: 2, hidden: 8, experts: 8, topk: 2 },
      ranks: 4,
      x: { input: 'normal' },
      topkIdx: 'routing',
      topkWeights: { input: { generate: 'positive', dtype: 'f32' } },
    };
    expect(() => resolveSpec({ ...spec, ...fields })).toThrow(message);
  });
});

describe('combine', () => {
  test('after dispatch, with experts that do nothing, gives the weighted sum of a token', () => {
    fc.assert(
      fc.property(systems, fc.constantFrom('none' as const, 'local' as const, 'node' as const), (system, reduce) => {
        const { shape, ranks, gpusPerNode, layout, topk_idx } = system;
        const tokens = ranks * shape.tokens;
        const inputs = {
          ...inputsOf(system),
          topk_weights: f32(new Array(tokens * shape.topk).fill(0.5), [tokens, shape.topk]),
        };
        const { x, slot_to_row } = dispatchReference(dispatchSpec(shape, ranks, gpusPerNode, layout), inputs);
        const spec = combineSpec(shape, ranks, gpusPerNode, reduce, x!.shape[0]!, true);
        const { x: back } = combineReference(spec, {
          x: x!,
          slot_to_row: slot_to_row!,
          topk_idx,
          topk_weights: inputs.topk_weights,
        });
        // Small integers and halves: every sum is exact in bf16.
        const chosen = signed(topk_idx);
        for (let token = 0; token < tokens; token++) {
          const slots = chosen
            .slice(token * shape.topk, (token + 1) * shape.topk)
            .filter((expert) => expert >= 0).length;
          expect(fromBits((back!.codes[3 * token]! << 16) >>> 0)).toBe(token * 0.5 * slots);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('every level rounds to bf16 once more', () => {
    // Two nodes of two GPUs, an expert each. bf16 has eight bits: 1 + 2^-8 is halfway and goes to 1.
    const shape = { tokens: 1, hidden: 1, experts: 8, topk: 4 };
    const map = (values: readonly number[]): Tensor => ({
      dtype: 'I32',
      shape: [4, 4],
      codes: Uint32Array.from([...values, ...new Array(12).fill(-1)], (it) => it >>> 0),
    });
    const sum = (reduce: 'none' | 'local' | 'node', experts: readonly number[]): number => {
      const inputs = {
        x: f32([1, 2 ** -8, 1, 2 ** -8], [4, 1]),
        slot_to_row: map([0, 1, 2, 3]),
        topk_idx: map(experts),
      };
      const { x } = combineReference(combineSpec(shape, 4, 2, reduce, 4), inputs);
      return fromBits((x!.codes[0]! << 16) >>> 0);
    };
    // Exactly 2 + 2^-7: halfway between 2 and 2 + 2^-6, to even.
    expect(sum('none', [0, 1, 2, 3])).toBe(2);
    // Slots 0 and 3 on rank 0, 1 and 2 on rank 3: each rank has 1 + 2^-8, rounded to 1.
    expect(sum('local', [0, 6, 7, 1])).toBe(2);
    // 1 on rank 0, then 2^-8 + 2^-8 on rank 1 is 2^-7: kept at the end without nodes, 1 + 2^-7 on the node.
    const apart = (reduce: 'local' | 'node'): number => {
      const inputs = {
        x: f32([1, 2 ** -8, 2 ** -8, -1], [4, 1]),
        slot_to_row: map([0, 1, 2, 3]),
        topk_idx: map([0, 2, 4, 6]),
      };
      const { x } = combineReference(combineSpec(shape, 4, 2, reduce, 4), inputs);
      return fromBits((x!.codes[0]! << 16) >>> 0);
    };
    // By ranks, in f32: 1 + 2^-8 + 2^-8 - 1. By nodes: 1 + 2^-8 is rounded to 1, 2^-8 - 1 is a bf16 number.
    expect(apart('local')).toBe(2 ** -7);
    expect(apart('node')).toBe(2 ** -8);
  });

  test('sends a row a slot, a rank or a node, as it sums', () => {
    // Two nodes of two GPUs, two experts each; rank 1's token has slots on rank 1, twice on rank 2, on rank 3, and one without a row.
    const shape = { tokens: 1, hidden: 4, experts: 8, topk: 5 };
    const none = [-1, -1, -1, -1, -1];
    const map = (own: readonly number[]): Tensor => ({
      dtype: 'I32',
      shape: [4, 5],
      codes: Uint32Array.from([...none, ...own, ...none, ...none], (it) => it >>> 0),
    });
    const inputs = {
      x: f32(new Array(16).fill(1), [4, 4]),
      slot_to_row: map([0, 1, 2, 3, -1]),
      topk_idx: map([2, 4, 5, 6, 0]),
    };
    const bytes = (reduce: 'none' | 'local' | 'node'): [number[], number[]] => {
      const { ib_bytes, nvlink_bytes } = combineReference(combineSpec(shape, 4, 2, reduce, 4), inputs);
      return [signed(ib_bytes), signed(nvlink_bytes)];
    };
    const row = 4 * 2;
    const still = new Array(16).fill(0);
    expect(bytes('none')).toEqual([[0, 0, 3 * row, 0], still]);
    expect(bytes('local')).toEqual([[0, 0, 2 * row, 0], still]);
    // Rank 3 has rank 1's number on the other node: rank 2's sum goes there, and one row crosses.
    const inNode = [...still];
    inNode[2 * 4 + 3] = row;
    expect(bytes('node')).toEqual([[0, 0, row, 0], inNode]);
  });

  test('takes back over every link as many rows as dispatch sent', () => {
    fc.assert(
      fc.property(systems, (system) => {
        const { shape, ranks, gpusPerNode, layout, topk_idx } = system;
        const sent = dispatchReference(dispatchSpec(shape, ranks, gpusPerNode, layout), inputsOf(system));
        const reduce = layout === 'normal' ? 'node' : 'none';
        const { x, slot_to_row } = sent;
        const spec = combineSpec(shape, ranks, gpusPerNode, reduce, x!.shape[0]!);
        const back = combineReference(spec, { x: x!, slot_to_row: slot_to_row!, topk_idx });
        const message = 4 * shape.hidden + (layout === 'normal' ? 8 * shape.topk : 16);
        for (const [name, extent] of [
          ['ib_bytes', ranks / gpusPerNode],
          ['nvlink_bytes', ranks],
        ] as const) {
          const [out, home] = [signed(sent[name]), signed(back[name])];
          out.forEach((bytes, at) => {
            expect(home[(at % extent) * extent + Math.floor(at / extent)]! / (2 * shape.hidden)).toBe(bytes / message);
          });
        }
      }),
      { numRuns: 100 },
    );
  });

  test('without levels it is unpermute, in bf16', () => {
    const shape = { tokens: 5, hidden: 16, experts: 4, topk: 3 };
    const routed = (experts: number, seed: number): Tensor =>
      generate(
        { generate: 'routing', seed, dtype: 'i32', experts, used: experts, skew: 0, maskedTokens: 0, maskedSlots: 0 },
        [10, 3],
      );
    const inputs = { x: matrix(30, 16, 'bf16'), slot_to_row: routed(30, 1), topk_idx: routed(4, 2) };
    const plain = unpermuteReference(unpermuteSpec({ tokens: 10, hidden: 16, topk: 3, rows: 30 }, 'bf16'), inputs);
    expect(combineReference(combineSpec(shape, 2, 1, 'none', 30), inputs).x).toEqual(plain);
  });
});
