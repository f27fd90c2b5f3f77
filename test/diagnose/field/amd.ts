import type { Terms } from '../blind/gemm-rule.ts';
import { exponentOf } from '../blind/numbers.ts';

const r = Math.fround;

/**
 * CDNA3's FP8 MFMA as MMA-Sim measured it (arXiv 2511.10909): of 16 products the even and the odd ones are each truncated 24 bits below their
 * largest and summed; both sums are cut downward 24 bits below the larger exponent and added; that is cut downward 31 bits, and the accumulator 24 bits, below the
 * larger of their exponents; one rounding to nearest.
 */
export function cdna3(terms: Terms, from: number, to: number): number {
  let c = 0;
  for (let at = from; at < to; at += 16) c = step(terms, at, Math.min(at + 16, to), c);
  return c;
}

function step({ value, exponent }: Terms, from: number, to: number, c: number): number {
  const half = (first: number): { sum: number; top: number } => {
    let top = -1000;
    for (let t = first; t < to; t += 2) if (value[t] !== 0) top = Math.max(top, exponent[t]!);
    let sum = 0;
    for (let t = first; t < to; t += 2) sum += Math.trunc(value[t]! * 2 ** (24 - top)) * 2 ** (top - 24);
    return { sum, top };
  };
  const floor = (x: number, exponent: number): number => Math.floor(x * 2 ** -exponent) * 2 ** exponent;
  const [even, odd] = [half(from), half(from + 1)];
  const top = Math.max(even.top, odd.top);
  const sum = floor(even.sum, top - 24) + floor(odd.sum, top - 24);
  const own = c === 0 ? -1000 : exponentOf(c);
  const larger = Math.max(top, own);
  const kept = own >= larger - 25 ? floor(c, larger - 24) : 0;
  return r(floor(sum, larger - 31) + kept);
}

/** CDNA2's bf16 MFMA: four products by pairs, each sum rounded, then onto the accumulator. */
export function cdna2({ value }: Terms, from: number, to: number): number {
  let c = 0;
  for (let at = from; at < to; at += 4)
    c = r(c + r(r(r(value[at]!) + r(value[at + 1]!)) + r(r(value[at + 2]!) + r(value[at + 3]!))));
  return c;
}
