import type { Family, SpecFields, Variant } from '../variants.ts';

/** How slots are placed. */
export interface PermuteVariant extends Variant {
  /** The threads of a workgroup share a block of slots, an expert's sums, the experts' starts; else each thread works alone. */
  readonly cooperates: boolean;
}

/** The variants of permute, of the same bits in either tier. */
export const permuteVariants: readonly [PermuteVariant, ...PermuteVariant[]] = [
  { name: 'threads', cooperates: false },
  { name: 'workgroups', cooperates: true },
];

const permute = (tokens: number, experts: number, topk: number): SpecFields => ({
  kernel: 'permute',
  shape: { tokens, hidden: 8, experts, topk },
  alignment: 16,
  x: { input: { generate: 'normal', dtype: 'bf16' } },
  topkIdx: { generate: 'routing', maskedSlots: 0.1 },
});

/** Verified on blocks of slots cut short, timed on a step of DeepSeek-V3's routing. */
export const permuteFamily: Family = {
  name: 'permute',
  variants: permuteVariants,
  verified: [permute(50, 70, 6), permute(151, 7, 3)],
  timed: [permute(4096, 256, 8)],
};
