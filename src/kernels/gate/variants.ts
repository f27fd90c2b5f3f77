import type { GateSpec } from '../../specs/types.ts';
import type { Family, SpecFields, Variant } from '../variants.ts';

/** How experts are chosen. */
export interface GateVariant extends Variant {
  /** What chooses a token's experts: threads by themselves, or a workgroup or a subgroup that shares them. */
  readonly by: 'threads' | 'workgroup' | 'subgroup';
}

const threads: GateVariant = { name: 'threads', by: 'threads' };

/** Variants that share a token's experts. */
const shared: readonly GateVariant[] = [
  { name: 'workgroups', by: 'workgroup' },
  { name: 'subgroups', by: 'subgroup', needs: ['subgroups'] },
];

const gate = (tokens: number, experts: number, rule: unknown, generate = 'normal'): SpecFields => ({
  kernel: 'gate',
  shape: { tokens, experts },
  gate: rule,
  logits: { input: { generate, dtype: 'f32' } },
});

/** Logits rank as they are: where they tie, they tie in the adapter's own arithmetic too. */
const ties = gate(21, 256, { score: 'logit', normalize: 'none', groups: 8, topkGroups: 4 }, 'near-ties');

/** The gate's variants, of the same bits in either tier. Verified on groups, on a softmax and on ties, timed on DeepSeek-V3's gate. */
export const gateFamily: Family = {
  name: 'gate',
  variants: [threads, ...shared],
  verified: [gate(21, 256, 'deepseek-v3'), gate(21, 70, 'qwen3-moe'), ties],
  timed: [gate(512, 256, 'deepseek-v3')],
};

/** Experts that are shared at most: a workgroup holds all keys and compares each with each. */
const mostShared = 1024;

/** The variants that choose a spec's experts, never empty. */
export function fittingGates({ shape }: GateSpec): readonly [GateVariant, ...GateVariant[]] {
  return shape.experts > mostShared ? [threads] : [threads, ...shared];
}
