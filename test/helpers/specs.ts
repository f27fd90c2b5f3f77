import type { Arithmetic, TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { philoxWord } from '../../src/numerics/philox.ts';
import type { ScaleRecipe, ScaleType, Scheme } from '../../src/numerics/scheme.ts';
import type {
  CombineSpec,
  DequantizeSpec,
  DispatchSpec,
  GemmSpec,
  GeneratedInput,
  GroupedGemmSpec,
  IntegersFrom,
  PermuteSpec,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
  RoutingInput,
  SwigluBackwardSpec,
  SwigluQuantizeSpec,
  UnpermuteSpec,
} from '../../src/specs/types.ts';
import { allocateCodes, dtypeBits, dtypeOfFormat, type Tensor } from '../../src/tensors/tensor.ts';

/** Specs as objects, for tests that give the tensors themselves; the inputs they name are never made. */

export interface SchemeFields {
  readonly format?: FormatName;
  readonly tile?: readonly [number, number];
  readonly recipe?: ScaleRecipe;
  readonly type?: ScaleType;
  readonly amaxFloor?: number;
  readonly layout?: Scheme['scale']['layout'];
  readonly rounding?: Scheme['rounding'];
  readonly overflow?: Scheme['overflow'];
  readonly seed?: number;
}

export function schemeOf(fields: SchemeFields = {}): Scheme {
  const { type = 'f32', recipe = 'pow2', amaxFloor = 1e-4, layout = 'row-major' } = fields;
  return {
    format: fields.format ?? 'e4m3',
    tile: fields.tile ?? [1, 128],
    scale: { type, recipe, amaxFloor, layout },
    rounding: fields.rounding ?? 'nearest-even',
    overflow: fields.overflow ?? 'saturate',
    seed: fields.seed ?? 0,
  };
}

/** Multiply-adds that the reference has to go through, or as many as an element's quantization takes as long as. */
export function workOf(spec: ResolvedSpec): number {
  switch (spec.kernel) {
    case 'gemm':
      return spec.shape.m * spec.shape.n * spec.shape.k;
    case 'grouped-gemm': {
      const { groups, m, n, k } = spec.shape;
      return m * n * k * (spec.layout === 'masked' ? groups : 1);
    }
    case 'bias-update':
      return spec.shape.experts;
    case 'load-statistics':
      return spec.shape.tokens * spec.shape.topk;
    case 'balance-loss':
    case 'gate':
      return 8 * spec.shape.tokens * spec.shape.experts;
    case 'permute':
    case 'unpermute':
      return 8 * spec.shape.tokens * spec.shape.hidden * spec.shape.topk;
    case 'moe-layer':
    case 'moe-layer-backward': {
      const { tokens, hidden, inter } = spec.shape;
      const products = spec.kernel === 'moe-layer' ? 3 : 12;
      return products * tokens * (spec.gate.topk + spec.gate.sharedExperts) * hidden * inter;
    }
    case 'dispatch':
    case 'combine':
      return 8 * spec.ranks * spec.shape.tokens * spec.shape.hidden * spec.shape.topk;
    case 'swiglu-quantize':
    case 'swiglu-backward':
      return 16 * spec.shape.rows * spec.shape.inter;
    default:
      return 8 * spec.shape.rows * spec.shape.columns;
  }
}

const unused: GeneratedInput = { generate: 'zero', seed: 0, dtype: 'bf16', exponent: 0, share: 0, factorExponent: 0 };
const base = { fp8lab: 1, name: 'test', description: '', large: false } as const;

export function quantizeSpec(rows: number, columns: number, scheme: Scheme): QuantizeSpec {
  return { ...base, kernel: 'quantize', shape: { rows, columns }, x: { input: unused }, scheme };
}

export function dequantizeSpec(
  rows: number,
  columns: number,
  scheme: Scheme,
  output: 'bf16' | 'f16' | 'f32',
): DequantizeSpec {
  return { ...base, kernel: 'dequantize', shape: { rows, columns }, x: { scheme, input: unused }, output };
}

export function requantizeSpec(rows: number, columns: number, scheme: Scheme, to: Scheme): RequantizeSpec {
  return { ...base, kernel: 'requantize', shape: { rows, columns }, x: { scheme, input: unused }, to };
}

/** A routing that tests give as a tensor. */
const unusedRouting: IntegersFrom<RoutingInput> = { file: 'none', tensor: 'none' };

export function permuteSpec(shape: PermuteSpec['shape'], alignment: number, scheme?: Scheme): PermuteSpec {
  const x = scheme === undefined ? { input: unused } : { scheme, input: unused };
  return { ...base, kernel: 'permute', shape, alignment, x, topkIdx: unusedRouting };
}

export function unpermuteSpec(
  shape: UnpermuteSpec['shape'],
  output: 'bf16' | 'f16' | 'f32',
  weighted = false,
): UnpermuteSpec {
  const weights = weighted ? { topkWeights: { input: unused } } : {};
  return { ...base, kernel: 'unpermute', shape, x: { input: unused }, slotToRow: unusedRouting, ...weights, output };
}

export function dispatchSpec(
  shape: DispatchSpec['shape'],
  ranks: number,
  gpusPerNode: number,
  layout: DispatchSpec['layout'],
  scheme?: Scheme,
): DispatchSpec {
  const x = scheme === undefined ? { input: { ...unused, dtype: 'f32' as const } } : { scheme, input: unused };
  const topkWeights = { input: unused };
  const nodeLimit = ranks / gpusPerNode;
  return {
    ...base,
    kernel: 'dispatch',
    shape,
    ranks,
    gpusPerNode,
    layout,
    nodeLimit,
    x,
    topkIdx: unusedRouting,
    topkWeights,
  };
}

export function combineSpec(
  shape: CombineSpec['shape'],
  ranks: number,
  gpusPerNode: number,
  reduce: CombineSpec['reduce'],
  rows: number,
  weighted = false,
): CombineSpec {
  const weights = weighted ? { topkWeights: { input: unused } } : {};
  const maps = { slotToRow: unusedRouting, topkIdx: unusedRouting };
  return {
    ...base,
    kernel: 'combine',
    shape,
    ranks,
    gpusPerNode,
    reduce,
    rows,
    x: { input: unused },
    ...maps,
    ...weights,
  };
}

type SwigluResult = Pick<SwigluQuantizeSpec, 'scheme' | 'output' | 'clamp'>;

export function swigluSpec(rows: number, inter: number, fields: SwigluResult): SwigluQuantizeSpec {
  return { ...base, kernel: 'swiglu-quantize', shape: { rows, inter }, x: { input: unused }, ...fields };
}

export function swigluBackwardSpec(rows: number, inter: number, fields: SwigluResult): SwigluBackwardSpec {
  return { ...swigluSpec(rows, inter, fields), kernel: 'swiglu-backward', grad: { input: unused } };
}

export interface GemmFields {
  readonly shape: { readonly m: number; readonly n: number; readonly k: number };
  readonly a?: Scheme;
  readonly b?: Scheme;
  readonly c?: boolean;
  readonly arithmetic?: Partial<Arithmetic>;
  readonly output?: 'bf16' | 'f16' | 'f32';
}

/** Models by the presets' names, as docs/numerics.md defines their fields. */
export const models = {
  hopper: { name: 'hopper-wgmma-fp8', kind: 'aligned', fractionBits: 13, terms: 32, output: 'e8m13', order: 'linear' },
  ada: { name: 'ada-mma-fp8', kind: 'aligned', fractionBits: 13, terms: 16, output: 'e8m13', order: 'linear' },
  blackwell: { name: 'blackwell-fp8', kind: 'aligned', fractionBits: 25, terms: 32, output: 'f32-rz', order: 'linear' },
  mmaSync: { name: 'hopper-mma-sync-fp8', kind: 'aligned', fractionBits: 25, terms: 16, output: 'f32-rz', order: 'p4' },
  mmaSyncF16: {
    name: 'hopper-mma-sync-fp8-f16',
    kind: 'aligned',
    fractionBits: 25,
    terms: 16,
    output: 'f16-rne',
    order: 'p4',
  },
  bf16: { name: 'hopper-bf16', kind: 'aligned', fractionBits: 25, terms: 16, output: 'f32-rz', order: 'linear' },
  ampereBf16: { name: 'ampere-bf16', kind: 'aligned', fractionBits: 24, terms: 8, output: 'f32-rz', order: 'linear' },
  fp4: { name: 'blackwell-fp4', kind: 'aligned', fractionBits: 35, terms: 64, output: 'f32-rz', order: 'linear' },
  exact: { name: 'exact', kind: 'exact', fractionBits: 0, terms: 0, output: 'f32-rne', order: 'linear' },
  sequential: {
    name: 'f32-sequential',
    kind: 'sequential',
    fractionBits: 0,
    terms: 0,
    output: 'f32-rne',
    order: 'linear',
  },
} satisfies Record<string, TensorCoreModel>;

export function gemmSpec(fields: GemmFields): GemmSpec {
  return {
    ...base,
    kernel: 'gemm',
    shape: fields.shape,
    a: { scheme: fields.a ?? schemeOf(), input: unused },
    b: { scheme: fields.b ?? schemeOf({ tile: [128, 128] }), input: unused },
    ...(fields.c ? { c: { input: unused } } : {}),
    arithmetic: {
      model: models.hopper,
      promoteEvery: 128,
      combine: 'scales-first',
      promote: 'fused',
      ...fields.arithmetic,
    },
    output: fields.output ?? 'bf16',
  };
}

export interface GroupedGemmFields extends Omit<GemmFields, 'shape'> {
  readonly layout?: GroupedGemmSpec['layout'];
  readonly shape?: GroupedGemmSpec['shape'];
  readonly alignment?: number;
  readonly sizes?: readonly number[];
}

export function groupedGemmSpec(fields: GroupedGemmFields): GroupedGemmSpec {
  const { layout = 'contiguous', shape = { groups: 1, m: 1, n: 1, k: 1 }, alignment = 128, sizes = [1] } = fields;
  const gemm = gemmSpec({ output: 'f32', ...fields, shape });
  return { ...gemm, kernel: 'grouped-gemm', layout, shape, alignment, sizes };
}

/** A matrix as a stack of so many. */
export function stack(tensor: Tensor, groups: number): Tensor {
  const [rows, columns] = tensor.shape as [number, number];
  return { ...tensor, shape: [groups, rows / groups, columns] };
}

/** I32 values [length]. */
export function integers(values: readonly number[]): Tensor {
  return { dtype: 'I32', shape: [values.length], codes: Uint32Array.from(values) };
}

/** Kinds of test matrices: bell-shaped values, any bit pattern, any finite one. */
export type Content = 'normal' | 'bits' | 'finite';

/** A matrix [rows, columns] of a format, the same for the same arguments. */
export function matrix(
  rows: number,
  columns: number,
  format: FormatName,
  content: Content = 'normal',
  seed = 1,
): Tensor {
  const dtype = dtypeOfFormat[format];
  const codes = allocateCodes(dtype, rows * columns);
  for (let i = 0; i < codes.length; i++) {
    const word = philoxWord(seed, i, 0);
    const pattern = word >>> (32 - dtypeBits[dtype]);
    if (content === 'normal') codes[i] = lanesOf(bell(word, philoxWord(seed, i, 2)), format);
    else codes[i] = content === 'finite' ? finite(pattern, format) : pattern;
  }
  return { dtype, shape: [rows, columns], codes };
}

/** Sum of four 16-bit uniforms, about normal, within 4 standard deviations. */
function bell(a: number, b: number): number {
  const sum = (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16);
  return (sum - 131070) / 37837;
}

function lanesOf(value: number, format: FormatName): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  if (format === 'bf16') return bits >>> 16;
  if (format === 'f32') return bits;
  if (format !== 'f16') throw new Error(`no ${format} values from numbers`);
  const exponent = ((bits >>> 23) & 0xff) - 112;
  return ((bits >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((bits >>> 13) & 0x3ff));
}

/** Takes the top exponent away where it means NaN and Inf. */
function finite(pattern: number, format: FormatName): number {
  if (format === 'bf16') return (pattern & 0x7f80) === 0x7f80 ? pattern & 0xbfff : pattern;
  if (format === 'f16') return (pattern & 0x7c00) === 0x7c00 ? pattern & 0xbfff : pattern;
  if (format === 'f32') return (pattern & 0x7f800000) === 0x7f800000 ? (pattern & 0xbfffffff) >>> 0 : pattern;
  if (format === 'e4m3') return (pattern & 0x7f) === 0x7f ? pattern & 0xbf : pattern;
  if (format === 'e5m2') return (pattern & 0x7c) === 0x7c ? pattern & 0xbf : pattern;
  return pattern;
}
