import type { Family, SpecFields, Variant } from '../variants.ts';

/** How slots are placed and rows are moved. */
export interface PermuteVariant extends Variant {
  /** Threads of a workgroup share a block of slots, an expert's sums, a row; else each thread works alone. */
  readonly cooperates: boolean;
}

/** The variants of permute, of the same bits in either tier. */
export const permuteVariants: readonly [PermuteVariant, ...PermuteVariant[]] = [
  { name: 'threads', cooperates: false },
  { name: 'workgroups', cooperates: true },
];

const permute = (tokens: number, hidden: number, experts: number): SpecFields => ({
  kernel: 'permute',
  shape: { tokens, hidden, experts, topk: 6 },
  alignment: 16,
  x: { input: { generate: 'normal', dtype: 'bf16' } },
  topkIdx: { generate: 'routing', maskedSlots: 0.1 },
});

/** Verified on rows of whole quads of words, and of less; timed on rows of a kilobyte. */
export const permuteFamily: Family = {
  name: 'permute',
  variants: permuteVariants,
  verified: [permute(50, 264, 70), permute(50, 67, 7)],
  timed: [permute(1024, 512, 256)],
};
