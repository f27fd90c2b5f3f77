import type { Convention } from '../../../src/diagnose/index.ts';
import { blockSum, type Core, type PlainSum } from '../blind/gemm-rule.ts';
import { bitsOf, f32Of, fma } from '../blind/numbers.ts';
import { type Dot, hopper, mma, productsOf } from './dot.ts';

const r = Math.fround;

export const axesOf = (core: Core): Convention => ({
  model: 'aligned',
  fraction: String(core.fraction),
  terms: String(core.terms),
  step: core.cut,
  order: core.paired ? 'p4' : 'linear',
});

/** DeepGEMM: `final += (sa * sb) * accum`, contracted to an fma. */
export const deepgemm =
  (dot: Dot) =>
  (sum: number, partial: number, from: number): number =>
    fma(r(dot.sa(from) * dot.sb(from)), partial, sum);

/** An operand that is dequantized before the product. */
export const dequantized = (
  dot: Dot,
  way: (x: number) => number,
): readonly [(t: number) => number, (t: number) => number] => [
  (t) => way(r(dot.a(t) * dot.sa(t))),
  (t) => way(r(dot.b(t) * dot.sb(t))),
];

export const whole = (
  dot: Dot,
  sum: Core | PlainSum,
  sides: readonly [(t: number) => number, (t: number) => number],
): number => blockSum(productsOf(dot.k, ...sides), 0, dot.k, sum);

export const tf32 = (x: number): number => f32Of((bitsOf(x) & 0xffffe000) >>> 0);

export const forms = (form: string): Convention => ({ 'a.form': form, 'b.form': form, interval: '0' });

/** Parts of k, each summed by `part`, then added up. */
export const split = (bounds: readonly number[], part: (from: number, to: number) => number): number[] =>
  bounds.slice(1).map((to, i) => part(bounds[i]!, to));

export const deepgemmPart =
  (dot: Dot) =>
  (from: number, to: number): number => {
    let sum = 0;
    for (let at = from; at < to; at += 128) sum = deepgemm(dot)(sum, mma(dot, hopper, at, at + 128), at);
    return sum;
  };

export const add = (sum: number, x: number): number => r(sum + x);
