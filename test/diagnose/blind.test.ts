import { describe, expect, it } from 'vitest';
import { dequantizeCase } from './blind/dequantize-cases.ts';
import type { BlindCase } from './blind/draw.ts';
import { gateCase } from './blind/gate-cases.ts';
import { gemmCase } from './blind/gemm-cases.ts';
import { measure, reportOf } from './blind/measure.ts';
import { quantizeCase, requantizeCase } from './blind/quantize-cases.ts';

/** How many cases (a push: fewer where each takes long), and the first seed; `BLIND=200 BLIND_FROM=1000` measures at length, `BLIND_SEEDS=1,2` those alone. */
const counted = (few: number): number => Number(process.env.BLIND ?? few);
const from = Number(process.env.BLIND_FROM ?? 6200);

/** Where the machine is shared with other tests, only processor time is measured; at length, alone, what a user waits for bounds the search. */
const options = process.env.BLIND === undefined ? { budget: 120_000 } : {};

/** The first cases from a seed on whose changes show. */
function cases(made: (seed: number) => BlindCase | undefined, count: number): BlindCase[] {
  const chosen = process.env.BLIND_SEEDS?.split(',').map(Number);
  if (chosen !== undefined) return chosen.flatMap((seed) => made(seed) ?? []);
  const found: BlindCase[] = [];
  for (let seed = from; found.length < count; seed++) found.push(...[made(seed)].flatMap((it) => it ?? []));
  return found;
}

describe('results made by rules that were drawn blindly, in other code', () => {
  it.each([
    ['gemm', counted(2), gemmCase],
    ['quantize', counted(4), quantizeCase],
    ['requantize', counted(4), requantizeCase],
    ['dequantize', counted(4), dequantizeCase],
    ['gate', counted(4), gateCase],
  ] as const)(
    '%s, of %i: names the rule first in 95 of 100, or one with the same bits, in under 20 s',
    { timeout: 300_000 * counted(4) },
    (_, count, made) => {
      const results = cases(made, count).map((it) => measure(it, options));
      console.log(reportOf(results, process.env.BLIND_ALL !== undefined));
      const right = results.filter(({ outcome }) => outcome === 'named' || outcome === 'tied').length;
      expect(right / results.length).toBeGreaterThanOrEqual(0.95);
      expect(Math.max(...results.map(({ cpu }) => cpu))).toBeLessThan(20);
    },
  );
});
