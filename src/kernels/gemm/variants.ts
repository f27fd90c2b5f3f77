import { maxTexels, workgroupSize } from '../../backends/webgpu/gpu.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import type { Family, SpecFields, Variant } from '../variants.ts';
import type { ProductSpec } from './reference.ts';

/** Values of k that an operand's word holds, or its texel. */
export type KPerWord = 1 | 2 | 4 | 8;

/** How a thread of a gemm shader works. */
export interface GemmVariant extends Variant {
  readonly shader: string;
  /** Groups of four rows and of four columns that a thread makes. */
  readonly rowGroups: number;
  readonly columnGroups: number;
  /** Threads of a workgroup along rows and along columns. */
  readonly workgroup: readonly [number, number];
  /** Groups of four columns of B that lie side by side in memory; 1: each group is a stream of its own. */
  readonly panel: number;
  /** Values of k in a word of an operand: one is f32, two are bf16, four are 8-bit codes; eight are the bf16 of a texel. */
  readonly kPerWord: KPerWord;
  /** Rows of an operand that a line of texels holds, where textures are read; a row that is too long for one leaves it to buffers. */
  readonly texelRows?: 1 | 4;
  /** The least rows and columns where its blocks are worth it. */
  readonly least: readonly [number, number];
  /** Files included in place of others. */
  readonly substitutes?: Readonly<Record<string, string>>;
}

/** One thread, 4 x 4 elements, every format: what the others must beat. */
export const plain: GemmVariant = {
  name: 'plain',
  shader: 'kernels/gemm_fast',
  rowGroups: 1,
  columnGroups: 1,
  workgroup: [1, workgroupSize],
  panel: 1,
  kPerWord: 1,
  texelRows: 4,
  least: [1, 1],
};

/** One thread, 1 x 4 elements: the exact tier's kernels whose code is long to compile. */
export const singleRows: GemmVariant = {
  ...plain,
  name: 'single-rows',
  rowGroups: 1 / 4,
};

/** The exact tier's fused sums in floating point, two k a word: what a load costs, it costs once for both. */
export const paired: GemmVariant = { ...plain, name: 'paired', kPerWord: 2 };

/** The same by four threads together. */
export const quads: GemmVariant = {
  ...paired,
  name: 'quads',
  rowGroups: 4,
  substitutes: { 'kernels/gemm_alone': 'kernels/gemm_quad' },
  needs: ['subgroups'],
};

const registers = {
  shader: 'kernels/gemm_registers_fast',
  kPerWord: 2,
  workgroup: [1, workgroupSize],
  least: [8, 256],
} as const;

const shared = {
  shader: 'kernels/gemm_shared_fast',
  rowGroups: 2,
  columnGroups: 2,
  workgroup: [8, 8],
  panel: 64,
  least: [8, 8],
} as const;

const texels = { kPerWord: 8, panel: 1, texelRows: 1 } as const;

/** The fast tier's variants, those without barriers first: the first that fits is taken where no trial was made. */
export const fastVariants: readonly [GemmVariant, ...GemmVariant[]] = [
  { name: 'panels-8x8', ...registers, rowGroups: 2, columnGroups: 2, panel: 64 },
  { name: 'streams-8x8', ...registers, rowGroups: 2, columnGroups: 2, panel: 1 },
  { name: 'streams-16x16', ...registers, rowGroups: 4, columnGroups: 4, panel: 1 },
  {
    name: 'texels-16x16',
    ...texels,
    shader: 'kernels/gemm_texels_fast',
    rowGroups: 4,
    columnGroups: 4,
    workgroup: [1, workgroupSize],
    least: [16, 256],
  },
  {
    name: 'quads-32x64',
    ...texels,
    shader: 'kernels/gemm_quads_fast',
    rowGroups: 8,
    columnGroups: 4,
    workgroup: [1, 4],
    least: [32, 64],
    needs: ['subgroups'],
  },
  { name: 'shared-64x64', ...shared, kPerWord: 2 },
  {
    name: 'halves-64x64',
    ...shared,
    kPerWord: 4,
    substitutes: { 'kernels/gemm_tile_pairs_fast': 'kernels/gemm_tile_halves_fast' },
    needs: ['shader-f16'],
  },
  {
    name: 'subgroups-8x8',
    ...registers,
    shader: 'kernels/gemm_subgroups_fast',
    rowGroups: 2,
    columnGroups: 2,
    panel: 64,
    needs: ['subgroups'],
  },
  plain,
];

function product(m: number, n: number, k: number, format: FormatName = 'e4m3'): SpecFields {
  const operand = (scheme: unknown, seed: number) => ({ scheme, input: { generate: 'normal', seed } });
  const a = operand({ preset: 'activation-1x128-pow2', format }, 1);
  return { kernel: 'gemm', shape: { m, n, k }, a, b: operand('weight-128x128-pow2', 2), output: 'f32' };
}

/** Products of a trial: a ragged one that every variant fits, of both 8-bit formats, and one of whole tiles. */
export const gemmFamily: Family = {
  name: 'gemm',
  variants: fastVariants,
  verified: [product(36, 516, 200, 'e5m2')],
  timed: [product(256, 512, 512)],
};

/** Values of a format are values of bf16. */
export const fitsBf16 = (name: FormatName): boolean => {
  const { mantissaBits, exponentBits } = formats[name];
  return mantissaBits <= 7 && exponentBits <= 8;
};

/** Codes of a byte that f16 has the values of. */
const fitsHalves = (name: FormatName): boolean => name === 'e4m3' || name === 'e5m2';

/** Whether a format is one that a word holds so many values of. */
const fitsWord = { 1: () => true, 2: fitsBf16, 4: fitsHalves, 8: fitsBf16 } as const;

/** Longest block of k that one dispatch sums without a cut, whatever the adapter. */
const longestBlock = 2 ** 14;

/** The fast variants that compute a spec's product, never empty. */
export function fittingVariants({ shape, a, b, arithmetic }: ProductSpec): readonly [GemmVariant, ...GemmVariant[]] {
  const block = Math.min(arithmetic.promoteEvery || shape.k, shape.k);
  const uncut = block <= longestBlock;
  const inTexels = Math.ceil(shape.k / block) * Math.ceil(block / 8) <= maxTexels;
  const [first, ...rest] = fastVariants.filter(
    ({ kPerWord, least: [rows, columns] }) =>
      (kPerWord === 1 || uncut) &&
      (kPerWord !== 8 || inTexels) &&
      [a, b].every(({ scheme }) => fitsWord[kPerWord](scheme.format)) &&
      shape.m >= rows &&
      shape.n >= columns,
  );
  return [first ?? plain, ...rest];
}
