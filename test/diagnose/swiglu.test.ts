import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import { narrow } from '../../src/kernels/dequantize/reference.ts';
import { quantizedTensors, quantizeWords, widen } from '../../src/kernels/quantize/reference.ts';
import { swigluQuantizeReference } from '../../src/kernels/swiglu-quantize/reference.ts';
import type { Scheme } from '../../src/numerics/scheme.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { integers, matrix, schemeOf, swigluSpec } from '../helpers/specs.ts';

const [rows, inter] = [20, 256];
const scheme = schemeOf({ recipe: 'divide' });
const spec = swigluSpec(rows, inter, { scheme, clamp: 2 });
const inputs: Tensors = {
  x: matrix(rows, 2 * inter, 'bf16'),
  weights: matrix(1, rows, 'f32', 'normal', 3),
};
const given: Tensors = { ...inputs, weights: { ...inputs.weights!, shape: [rows] } };

/** One element of somebody's kernel, in double where it does not round. */
type Act = (gate: number, up: number, weight: number) => number;

const f32 = Math.fround;
const bf16 = (x: number): number => {
  const word = new Uint32Array(Float32Array.of(x).buffer)[0]!;
  const rounded = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(Uint32Array.of(rounded >>> 0).buffer)[0]!;
};
const gateCut = (g: number): number => Math.min(g, 2);
const upCut = (u: number): number => Math.min(Math.max(u, -2), 2);
const sigmoid = (g: number): number => f32(1 / (1 + Math.exp(-g)));
const plain: Act = (g, u, w) => f32(f32(f32(gateCut(g) * sigmoid(gateCut(g))) * upCut(u)) * w);

const values = (name: string): Float32Array => new Float32Array(widen(given[name]!).slice().buffer);

/** act [rows, inter] of a kernel that reads gate and up at places of a row. */
function actOf(act: Act, place: (column: number) => readonly [number, number] = (i) => [i, inter + i]): Uint32Array {
  const [x, weights] = [values('x'), values('weights')];
  const made = Float32Array.from({ length: rows * inter }, (_, i) => {
    const row = Math.floor(i / inter);
    const [gate, up] = place(i % inter);
    return act(x[2 * row * inter + gate]!, x[2 * row * inter + up]!, weights[row]!);
  });
  return new Uint32Array(made.buffer);
}

const quantized = (bits: Uint32Array, to: Scheme = scheme): Tensors =>
  quantizedTensors(quantizeWords(bits, rows, inter, to));
/** The first rule that gives every bit: its ties take long. */
const found = (actual: Tensors, of = spec) => diagnose(of, given, actual, { budget: 120_000, ties: false });

describe('diagnose swiglu-quantize', { timeout: 300_000 }, () => {
  it('says so where the kernel did what the spec says', () => {
    const answer = found(swigluQuantizeReference(spec, given));
    expect(answer.verdict).toBe('as-specified');
    expect(answer.leftover).toEqual([]);
  });

  it.each([
    ['gate and up side by side', actOf(plain, (i) => [2 * i, 2 * i + 1]), { halves: 'interleaved' }],
    ['up before gate', actOf(plain, (i) => [inter + i, i]), { halves: 'up-gate' }],
    ['the clamp left out', actOf((g, u, w) => f32(f32(f32(g * sigmoid(g)) * u) * w)), { clamp: 'none' }],
    ['the weight left out', actOf((g, u) => plain(g, u, 1)), { weights: 'left-out' }],
    [
      'the weight multiplied into silu',
      actOf((g, u, w) => f32(f32(f32(gateCut(g) * sigmoid(gateCut(g))) * w) * upCut(u))),
      { weights: 'to-silu' },
    ],
    ['act stored as bf16 before it is quantized', actOf((g, u, w) => bf16(plain(g, u, w))), { through: 'act-bf16' }],
    [
      'every operation in bf16, as separate operators have it',
      actOf((g, u, w) => bf16(f32(bf16(f32(bf16(f32(gateCut(g) * sigmoid(gateCut(g)))) * upCut(u))) * w))),
      { through: 'bf16' },
    ],
  ])('names %s', (_, bits, expected) => {
    const answer = found(quantized(bits));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
    expect(answer.candidates[0]!.deviations).toHaveLength(1);
  });

  it('names what the activation and its quantization have both', () => {
    const to = schemeOf({ recipe: 'pow2', tile: [1, 64] });
    const answer = found(
      quantized(
        actOf(
          (g, u, w) => bf16(plain(g, u, w)),
          (i) => [2 * i, 2 * i + 1],
        ),
        to,
      ),
    );
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({
      through: 'act-bf16',
      recipe: 'pow2',
      tile: '1x64',
    });
  });

  it('tells sigmoids apart where act is wide', () => {
    const wide = swigluSpec(rows, inter, { output: 'f32' });
    const silu = (g: number): number => f32(g / f32(1 + f32(Math.exp(-g))));
    const act = narrow(
      actOf((g, u, w) => f32(f32(silu(g) * u) * w)),
      'f32',
      [rows, inter],
    );
    const answer = found({ act }, wide);
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ function: 'divided', clamp: 'as-said' });
    expect(answer.specified.differing).toBeGreaterThan(0);
  });

  it('does not pretend to know a sigmoid of its own', () => {
    const coarse = (g: number): number => f32(sigmoid(g) * (1 + 2 ** -9));
    const answer = diagnose(
      spec,
      given,
      quantized(actOf((g, u, w) => f32(f32(f32(gateCut(g) * coarse(gateCut(g))) * upCut(u)) * w))),
      { budget: 4000 },
    );
    expect(['partly', 'unexplained']).toContain(answer.verdict);
    expect(answer.candidates[0]!.differing).toBeGreaterThan(0);
  });

  it('names rows without a slot that are computed as the others', () => {
    const slots = integers(Array.from({ length: rows }, (_, row) => (row % 5 === 4 ? -1 : row)));
    const mapped = { ...given, row_to_slot: slots };
    const answer = diagnose(spec, mapped, swigluQuantizeReference(spec, given), { budget: 120_000, ties: false });
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ slots: 'computed' });
  });
});
