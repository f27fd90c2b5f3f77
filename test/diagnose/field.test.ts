import { describe, expect, it } from 'vitest';
import { type Measured, measure, reportOf } from './blind/measure.ts';
import { gemmFieldCase } from './field/dot.ts';
import { kernels } from './field/gemm-kernels.ts';
import { quantizeFieldCase } from './field/quantize-case.ts';
import { quantizers } from './field/quantize-kernels.ts';

/** `FIELD=all` measures every kernel, with the default budget; `FIELD=text` those whose names have the text. A push takes a few of each. */
const wanted = process.env.FIELD;
const chosen = <T extends { readonly name: string }>(all: readonly T[], every: number): T[] =>
  all.filter(({ name }, i) => (wanted === undefined ? i % every === 0 : wanted === 'all' || name.includes(wanted)));

/** Where the machine is shared with other tests, only processor time is measured. */
const options = wanted === undefined ? { budget: 120_000 } : {};

describe("results of other projects' kernels, written from their sources", () => {
  it.each([
    ['gemm', () => chosen(kernels, 12).map(gemmFieldCase)],
    ['quantize', () => chosen(quantizers, 4).map(quantizeFieldCase)],
  ] as const)('%s: names at least 95 % first, or a rule with the same bits', { timeout: 3_600_000 }, (_, cases) => {
    const results = cases().map((it): Measured => measure(it, options));
    console.log(reportOf(results, wanted !== undefined));
    const right = results.filter(({ outcome }) => outcome === 'named' || outcome === 'tied').length;
    expect(right / results.length).toBeGreaterThanOrEqual(0.95);
    expect(Math.max(...results.map(({ cpu }) => cpu))).toBeLessThan(20);
  });
});
