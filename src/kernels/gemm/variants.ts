import { workgroupSize } from '../../backends/webgpu/gpu.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import type { Family, SpecFields, Variant } from '../variants.ts';
import type { ProductSpec } from './reference.ts';

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
  /** Values of k in a word of an operand: two are bf16. */
  readonly kPerWord: 1 | 2;
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
  least: [1, 1],
};

/** One thread, 1 x 4 elements: the exact tier's kernels whose code is long to compile. */
export const singleRows: GemmVariant = {
  ...plain,
  name: 'single-rows',
  rowGroups: 1 / 4,
  substitutes: { 'numerics/float4': 'numerics/float4_each' },
};

const registers = {
  shader: 'kernels/gemm_registers_fast',
  kPerWord: 2,
  workgroup: [1, workgroupSize],
  least: [8, 256],
} as const;

/** The fast tier's variants, those without barriers first: the first that fits is taken where no trial was made. */
export const fastVariants: readonly [GemmVariant, ...GemmVariant[]] = [
  { name: 'panels-8x8', ...registers, rowGroups: 2, columnGroups: 2, panel: 64 },
  { name: 'streams-8x8', ...registers, rowGroups: 2, columnGroups: 2, panel: 1 },
  { name: 'streams-8x16', ...registers, rowGroups: 2, columnGroups: 4, panel: 1 },
  { name: 'streams-16x16', ...registers, rowGroups: 4, columnGroups: 4, panel: 1 },
  {
    name: 'shared-64x64',
    shader: 'kernels/gemm_shared_fast',
    rowGroups: 2,
    columnGroups: 2,
    workgroup: [8, 8],
    panel: 64,
    kPerWord: 2,
    least: [8, 8],
  },
  plain,
];

function product(m: number, n: number, k: number): SpecFields {
  const operand = (scheme: string, seed: number) => ({ scheme, input: { generate: 'normal', seed } });
  const operands = { a: operand('activation-1x128-pow2', 1), b: operand('weight-128x128-pow2', 2) };
  return { kernel: 'gemm', shape: { m, n, k }, ...operands, output: 'f32' };
}

/** Products of a trial: a ragged one, and one of whole tiles. */
export const gemmFamily: Family = {
  name: 'gemm',
  variants: fastVariants,
  verified: [product(20, 516, 200)],
  timed: [product(256, 512, 512)],
};

/** Values of a format are values of bf16. */
const fitsBf16 = (name: FormatName): boolean => {
  const { mantissaBits, exponentBits } = formats[name];
  return mantissaBits <= 7 && exponentBits <= 8;
};

/** Longest block of k that one dispatch sums without a cut, whatever the adapter. */
const longestBlock = 2 ** 14;

/** The fast variants that compute a spec's product, never empty. */
export function fittingVariants({ shape, a, b, arithmetic }: ProductSpec): readonly [GemmVariant, ...GemmVariant[]] {
  const asPairs = fitsBf16(a.scheme.format) && fitsBf16(b.scheme.format);
  const uncut = Math.min(arithmetic.promoteEvery || shape.k, shape.k) <= longestBlock;
  const [first, ...rest] = fastVariants.filter(
    ({ kPerWord, least: [rows, columns] }) =>
      (kPerWord === 1 || (asPairs && uncut)) && shape.m >= rows && shape.n >= columns,
  );
  return [first ?? plain, ...rest];
}
