import type { Tier } from './kernel.ts';

/** Files that a tier puts in place of others: fast is the same kernels on the adapter's own arithmetic. */
export function tierSubstitutes(tier: Tier): Readonly<Record<string, string>> {
  if (tier === 'exact') return {};
  const arithmetic = { 'numerics/float': 'numerics/float_fast', 'numerics/float4': 'numerics/float4_fast' };
  return { ...arithmetic, ...functionSubstitutes(tier) };
}

/** The same of exp and its kin alone, for kernels that look into the bits of what they add. */
export function functionSubstitutes(tier: Tier): Readonly<Record<string, string>> {
  return tier === 'fast' ? { 'numerics/exp': 'numerics/exp_fast' } : {};
}
