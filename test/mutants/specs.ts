import type { FormatName } from '../../src/numerics/formats.ts';
import type { PermuteSpec, ResolvedSpec, SwigluBackwardSpec, SwigluQuantizeSpec } from '../../src/specs/types.ts';
import { generate } from '../../src/tensors/generate.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import {
  combineSpec,
  dequantizeSpec,
  dispatchSpec,
  type GemmFields,
  gemmSpec,
  groupedGemmSpec,
  integers,
  matrix,
  models,
  permuteSpec,
  quantizeSpec,
  requantizeSpec,
  schemeOf,
  stack,
  swigluBackwardSpec,
  swigluSpec,
  unpermuteSpec,
} from '../helpers/specs.ts';
import { gateMutantSpecs } from './gate-specs.ts';
import { moeMutantSpecs } from './moe-specs.ts';

/** A small spec with its tensors, and the limit under which it runs split, if any. */
export interface MutantSpec {
  readonly spec: ResolvedSpec;
  readonly inputs: Tensors;
  readonly maxBindingBytes?: number;
}

const map = (tensor: Tensor, change: (code: number, i: number) => number): Tensor => ({
  ...tensor,
  codes: tensor.codes.map((code, i) => change(code, i)) as Tensor['codes'],
});

const ones = (rows: number, columns: number): Tensor => ({
  dtype: 'F32',
  shape: [rows, columns],
  codes: new Uint32Array(rows * columns).fill(0x3f800000),
});

/** bf16 powers of two among ordinary values, so that tiles have an amax of exactly 448 and 1. */
function withPowers(x: Tensor): Tensor {
  const columns = x.shape[1]!;
  return map(x, (code, i) => {
    const row = Math.floor(i / columns);
    if (row % 3 === 0) return code;
    // Rows of small values with one 1.75 * 2^8 = 448, the last of its tile.
    if (i % columns === 127) return 0x43e0;
    return (code & 0x8000) | ((code & 0x7fff) % 0x4300);
  });
}

/** f32 values whose last bits are such that their products with a code's significand lie between two values. */
const withTies = (x: Tensor): Tensor => map(x, (bits, i) => (i % 3 === 0 ? bits | 1 : bits));

const codes = (fields: GemmFields, format: FormatName, content: 'finite' | 'bits', unit = false): Tensors => {
  const { m, n, k } = fields.shape;
  const blocks = Math.ceil(k / 128);
  return {
    a: matrix(m, k, format, content, 1),
    a_scales: unit ? ones(m, blocks) : matrix(m, blocks, 'f32', 'normal', 2),
    b: matrix(n, k, format, content, 3),
    b_scales: unit ? ones(Math.ceil(n / 128), blocks) : matrix(Math.ceil(n / 128), blocks, 'f32', 'normal', 4),
  };
};

const gemmOf = (
  fields: Omit<GemmFields, 'shape'>,
  format: FormatName,
  content: 'finite' | 'bits',
  unit = false,
): MutantSpec => {
  const full: GemmFields = {
    shape: { m: 21, n: 35, k: 300 },
    a: schemeOf({ format, recipe: 'divide' }),
    b: schemeOf({ format, recipe: 'divide', tile: [128, 128] }),
    output: 'f32',
    ...fields,
  };
  return { spec: gemmSpec(full), inputs: codes(full, format, content, unit) };
};

/** Three groups of rows at multiples of 16, any codes everywhere, padding too. */
const grouped = (layout: 'contiguous' | 'offsets', values: readonly number[]): MutantSpec => ({
  spec: groupedGemmSpec({
    layout,
    shape: { groups: 3, m: 60, n: 21, k: 300 },
    alignment: 16,
    a: schemeOf({ recipe: 'divide' }),
    b: schemeOf({ recipe: 'divide', tile: [128, 128] }),
  }),
  inputs: {
    a: matrix(60, 300, 'e4m3', 'finite', 1),
    a_scales: matrix(60, 3, 'f32', 'normal', 2),
    b: stack(matrix(63, 300, 'e4m3', 'finite', 3), 3),
    b_scales: stack(matrix(3, 3, 'f32', 'normal', 4), 3),
    group_layout: integers(values),
  },
});

/** Groups of 70, 0 and 33 k at multiples of 32, onto C. */
const groupedAlongK: MutantSpec = {
  spec: groupedGemmSpec({
    layout: 'k-grouped',
    shape: { groups: 3, m: 13, n: 21, k: 160 },
    alignment: 32,
    a: schemeOf({ recipe: 'divide', tile: [1, 32] }),
    b: schemeOf({ recipe: 'divide', tile: [1, 32] }),
    arithmetic: { promoteEvery: 32 },
    c: true,
  }),
  inputs: {
    a: matrix(13, 160, 'e4m3', 'finite', 1),
    a_scales: matrix(13, 5, 'f32', 'normal', 2),
    b: matrix(21, 160, 'e4m3', 'finite', 3),
    b_scales: matrix(21, 5, 'f32', 'normal', 4),
    c: stack(matrix(39, 21, 'f32', 'normal', 5), 3),
    group_layout: integers([70, 96, 129]),
  },
};

/** Experts of tokens, some slots masked, low experts preferred. */
const routing = (tokens: number, topk: number, experts: number, used = experts): Tensor =>
  generate(
    { generate: 'routing', seed: 1, dtype: 'i32', experts, used, skew: 1, maskedTokens: 0.05, maskedSlots: 0.1 },
    [tokens, topk],
  );

const permuteOf = (shape: PermuteSpec['shape'], used = shape.experts): MutantSpec => ({
  spec: permuteSpec(shape, 4),
  inputs: {
    x: matrix(shape.tokens, shape.hidden, 'bf16'),
    topk_idx: routing(shape.tokens, shape.topk, shape.experts, used),
  },
});

/** Three nodes of two GPUs with two experts each. */
const system = { tokens: 7, hidden: 37, experts: 12, topk: 5 };

const dispatchOf = (layout: 'normal' | 'low-latency'): MutantSpec => ({
  spec: dispatchSpec(system, 6, 2, layout),
  inputs: {
    x: matrix(42, 37, 'f32'),
    topk_idx: routing(42, 5, 12),
    topk_weights: matrix(42, 5, 'f32', 'normal', 3),
  },
});

const combineOf = (reduce: 'local' | 'node'): MutantSpec => ({
  spec: combineSpec(system, 6, 2, reduce, 90, true),
  inputs: {
    x: matrix(90, 37, 'bf16'),
    slot_to_row: routing(42, 5, 90),
    topk_idx: routing(42, 5, 12),
    topk_weights: matrix(42, 5, 'f32', 'normal', 3),
  },
});

/** Weights for every row, a third of the rows padding, and a gradient for the way back. */
const swigluOf = (spec: SwigluQuantizeSpec | SwigluBackwardSpec): MutantSpec => {
  const { rows, inter } = spec.shape;
  const inputs = {
    x: matrix(rows, 2 * inter, 'bf16'),
    weights: { ...matrix(rows, 1, 'f32', 'normal', 2), shape: [rows] },
    row_to_slot: integers(Array.from({ length: rows }, (_, row) => (row % 3 === 1 ? -1 : row))),
  };
  const backward = spec.kernel === 'swiglu-backward';
  return { spec, inputs: backward ? { ...inputs, grad: matrix(rows, inter, 'bf16', 'normal', 3) } : inputs };
};

function build() {
  const rows = Array.from({ length: 60 }, (_, row) =>
    row < 5 ? 0 : row >= 16 && row < 21 ? 1 : row >= 32 && row < 48 ? 2 : -1,
  );
  const ragged = schemeOf();
  const plain = gemmOf({ output: 'bf16' }, 'e4m3', 'finite');
  const sparse = gemmOf({}, 'e4m3', 'finite', true);
  const specials = gemmOf({}, 'e5m2', 'finite', true);
  const withC = gemmOf({ c: true }, 'e4m3', 'finite');
  return {
    'quantize-ragged': { spec: quantizeSpec(37, 301, ragged), inputs: { x: withPowers(matrix(37, 301, 'bf16')) } },
    // Every tile of a size of its own.
    'quantize-blocks': {
      spec: quantizeSpec(40, 96, schemeOf({ tile: [16, 32] })),
      inputs: {
        x: map(
          matrix(40, 96, 'bf16'),
          (code, i) => code + (((5 * (3 * ((i / 1536) | 0) + (((i % 96) / 32) | 0))) % 7) << 7),
        ),
      },
    },
    'quantize-bits': { spec: quantizeSpec(37, 301, ragged), inputs: { x: matrix(37, 301, 'bf16', 'bits') } },
    'quantize-zeros': {
      spec: quantizeSpec(3, 200, ragged),
      inputs: { x: map(matrix(3, 200, 'bf16'), (code) => code & 0x8000) },
    },
    'quantize-outliers': {
      spec: quantizeSpec(8, 255, ragged),
      inputs: { x: map(matrix(8, 255, 'bf16'), (code, i) => (i % 64 === 0 ? 0x4f00 : code)) },
    },
    'quantize-mx-floor': {
      spec: quantizeSpec(64, 127, schemeOf({ tile: [1, 32], recipe: 'mx-floor', type: 'e8m0', overflow: 'saturate' })),
      inputs: { x: matrix(64, 127, 'bf16') },
    },
    'quantize-rows': {
      spec: quantizeSpec(64, 128, schemeOf({ tile: [1, 32], recipe: 'mx-floor', type: 'e8m0', overflow: 'saturate' })),
      inputs: { x: withPowers(matrix(64, 128, 'bf16')) },
    },
    'quantize-columns': {
      spec: quantizeSpec(40, 24, schemeOf({ tile: [16, 1] })),
      inputs: { x: matrix(40, 24, 'bf16') },
    },
    'quantize-divide': {
      spec: quantizeSpec(128, 512, schemeOf({ recipe: 'divide' })),
      inputs: { x: matrix(128, 512, 'bf16') },
    },
    'quantize-nvfp4': {
      spec: quantizeSpec(
        8,
        64,
        schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3', amaxFloor: 0 }),
      ),
      inputs: { x: matrix(8, 64, 'bf16') },
    },
    'quantize-stochastic-split': {
      spec: quantizeSpec(40, 201, schemeOf({ rounding: 'stochastic', seed: 3 })),
      inputs: { x: matrix(40, 201, 'bf16') },
      maxBindingBytes: 4096,
    },
    'dequantize-ragged': {
      spec: dequantizeSpec(37, 301, schemeOf({ recipe: 'divide' }), 'bf16'),
      inputs: { codes: matrix(37, 301, 'e4m3', 'finite', 1), scales: matrix(37, 3, 'f32', 'normal', 2) },
    },
    'dequantize-rows': {
      spec: dequantizeSpec(32, 160, schemeOf({ recipe: 'divide' }), 'f32'),
      inputs: { codes: matrix(32, 160, 'e4m3', 'bits', 1), scales: withTies(matrix(32, 2, 'f32', 'normal', 2)) },
    },
    'dequantize-powers': {
      spec: dequantizeSpec(16, 128, schemeOf(), 'bf16'),
      inputs: {
        // The first rows have normal codes alone.
        codes: map(matrix(16, 128, 'e4m3', 'finite', 1), (code, i) => (i < 1024 ? (code | 0x40) & 0xfe : code)),
        scales: map(ones(16, 1), (bits, i) => bits - 0x800000 * i),
      },
    },
    'dequantize-bits': {
      spec: dequantizeSpec(37, 301, schemeOf({ recipe: 'divide' }), 'f16'),
      inputs: {
        codes: matrix(37, 301, 'e4m3', 'bits', 1),
        scales: map(ones(37, 3), (bits, i) => bits + 0x800000 * (i % 9)),
      },
    },
    requantize: {
      spec: requantizeSpec(200, 131, schemeOf(), schemeOf({ tile: [128, 1] })),
      inputs: { x: matrix(200, 131, 'bf16') },
    },
    'requantize-small-tiles': {
      spec: requantizeSpec(48, 18, schemeOf(), schemeOf({ tile: [24, 1] })),
      inputs: { x: map(matrix(48, 18, 'bf16'), (code, i) => (i < 384 ? code + 0x200 : code)) },
    },
    'requantize-split': {
      spec: requantizeSpec(90, 131, schemeOf(), schemeOf({ tile: [128, 1] })),
      inputs: { x: matrix(90, 131, 'bf16') },
      maxBindingBytes: 8192,
    },
    gemm: plain,
    'gemm-f32': gemmOf({}, 'e4m3', 'finite'),
    // A few Infs of both signs, and zeros that they may meet.
    'gemm-specials': {
      ...specials,
      inputs: {
        ...specials.inputs,
        a: map(specials.inputs.a!, (code, i) => (i % 61 === 0 ? (code & 0x80) | 0x7c : code)),
        b: map(specials.inputs.b!, (code, i) => (i % 37 === 0 ? 0 : code)),
      },
    },
    'gemm-c': { ...withC, inputs: { ...withC.inputs, c: matrix(21, 35, 'f32', 'normal', 5) } },
    'gemm-unit-scales': gemmOf({}, 'e4m3', 'finite', true),
    'gemm-powers': {
      ...sparse,
      inputs: {
        ...sparse.inputs,
        a_scales: map(sparse.inputs.a_scales!, (_, i) => (107 + ((11 * i) % 41)) << 23),
        b_scales: map(sparse.inputs.b_scales!, (_, i) => (125 + (i % 3)) << 23),
      },
    },
    'gemm-odd-scales': {
      ...sparse,
      inputs: {
        ...sparse.inputs,
        a_scales: map(sparse.inputs.a_scales!, (_, i) => ((120 + (i % 9)) << 23) | 0x300000),
      },
    },
    'gemm-bits': gemmOf({}, 'e5m2', 'bits', true),
    'gemm-bits-e4m3': gemmOf({}, 'e4m3', 'bits', true),
    // Few and small values in A, so that B's large ones meet zeros.
    'gemm-sparse': {
      ...sparse,
      inputs: { ...sparse.inputs, a: map(sparse.inputs.a!, (code, i) => (i % 7 === 0 ? code & 0x87 : 0)) },
    },
    // Sums in f16 are made in integers.
    'gemm-sparse-f16': {
      ...gemmOf({ arithmetic: { model: { ...models.hopper, output: 'f16-rne' } } }, 'e4m3', 'finite', true),
      inputs: { ...sparse.inputs, a: map(sparse.inputs.a!, (code, i) => (i % 7 === 0 ? code & 0x87 : 0)) },
    },
    'gemm-split': { ...plain, maxBindingBytes: 12_288 },
    'gemm-paired': gemmOf({ arithmetic: { model: models.mmaSync } }, 'e4m3', 'finite', true),
    'gemm-blackwell': gemmOf({ arithmetic: { model: models.blackwell } }, 'e4m3', 'finite', true),
    'gemm-exact': gemmOf({ arithmetic: { model: models.exact } }, 'e5m2', 'finite', true),
    'gemm-sequential': gemmOf({ arithmetic: { model: models.sequential } }, 'e4m3', 'finite', true),
    'grouped-contiguous': grouped('contiguous', rows),
    'grouped-offsets': grouped('offsets', [5, 21, 48]),
    'grouped-split': { ...grouped('contiguous', rows), maxBindingBytes: 16_384 },
    'grouped-k': groupedAlongK,
    ...gateMutantSpecs,
    ...moeMutantSpecs,
    permute: permuteOf({ tokens: 61, hidden: 37, experts: 7, topk: 3 }),
    'permute-words': permuteOf({ tokens: 61, hidden: 74, experts: 7, topk: 3 }),
    'permute-long': permuteOf({ tokens: 20, hidden: 1024, experts: 7, topk: 3 }),
    'permute-split': { ...permuteOf({ tokens: 700, hidden: 37, experts: 7, topk: 3 }), maxBindingBytes: 4096 },
    'permute-many': permuteOf({ tokens: 80_000, hidden: 1, experts: 2, topk: 1 }, 1),
    dispatch: dispatchOf('normal'),
    'dispatch-low-latency': dispatchOf('low-latency'),
    'combine-local': combineOf('local'),
    'combine-node': combineOf('node'),
    swiglu: swigluOf(swigluSpec(20, 150, { output: 'f32' })),
    'swiglu-clamped': swigluOf(swigluSpec(20, 150, { clamp: 0.5, output: 'f32' })),
    'swiglu-split': { ...swigluOf(swigluSpec(20, 150, { scheme: schemeOf() })), maxBindingBytes: 2048 },
    'swiglu-backward': swigluOf(swigluBackwardSpec(20, 300, { clamp: 1, output: 'f32' })),
    unpermute: {
      spec: unpermuteSpec({ tokens: 40, hidden: 37, topk: 5, rows: 70 }, 'f32', true),
      inputs: {
        x: matrix(70, 37, 'bf16'),
        slot_to_row: routing(40, 5, 70),
        topk_weights: matrix(40, 5, 'f32', 'normal', 3),
      },
    },
    'unpermute-split': {
      spec: unpermuteSpec({ tokens: 40, hidden: 37, topk: 5, rows: 70 }, 'bf16'),
      inputs: { x: matrix(70, 37, 'bf16'), slot_to_row: routing(40, 5, 70) },
      maxBindingBytes: 2048,
    },
  } satisfies Record<string, MutantSpec>;
}

/** The specs on which mutants must be seen, by name. */
export const mutantSpecs = build();

export type MutantSpecName = keyof typeof mutantSpecs;
