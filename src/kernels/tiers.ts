import type { Tier } from './kernel.ts';

/** Files that a tier puts in place of others: fast is the same kernels on the adapter's own arithmetic. */
export function tierSubstitutes(tier: Tier): Readonly<Record<string, string>> {
  return tier === 'fast' ? { 'numerics/float': 'numerics/float_fast', 'numerics/float4': 'numerics/float4_fast' } : {};
}
