import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { swigluBackwardReference } from '../../src/kernels/swiglu-backward/reference.ts';
import { swigluQuantizeReference } from '../../src/kernels/swiglu-quantize/reference.ts';
import { bitsOf, fromBits, INF_BITS } from '../../src/numerics/f32.ts';
import { swigluBits, swigluGradients } from '../../src/numerics/swiglu.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { matrix, schemeOf, swigluBackwardSpec, swigluSpec } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 120_000 });

const f32 = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'F32',
  shape,
  codes: new Uint32Array(Float32Array.from(values).buffer),
});
const values = (tensor: Tensor | undefined): number[] => Array.from(tensor!.codes, fromBits);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** Within a few units in the last place of f32; below its normal range a rounding is multiplied by up and slope. */
const close = (got: number, want: number, scale = Math.abs(want)): boolean =>
  Math.abs(got - want) <= 4 * 2 ** -24 * scale + 2 ** -138;

const number = fc.float({ min: -30, max: 30, noNaN: true });

describe('SwiGLU', () => {
  test('is silu(gate) * up to a few units in the last place', () => {
    fc.assert(
      fc.property(number, number, (gate, up) => {
        const got = fromBits(swigluBits(bitsOf(gate), bitsOf(up), INF_BITS));
        expect(close(got, gate * sigmoid(gate) * up)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('gradients are those of the function, in f64', () => {
    fc.assert(
      fc.property(number, number, number, (gate, up, grad) => {
        const got = swigluGradients(bitsOf(gate), bitsOf(up), bitsOf(grad), INF_BITS);
        const s = sigmoid(gate);
        const slope = gate * (1 - s) + 1;
        // 1 - sigmoid loses bits where sigmoid is near 1: the error is relative to 1, not to the slope.
        expect(close(fromBits(got.gate), grad * s * up * slope, Math.abs(grad * s * up) * (1 + Math.abs(gate)))).toBe(
          true,
        );
        expect(close(fromBits(got.up), grad * s * gate)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('the clamp cuts gate from above alone and up on both sides, and where it cuts there is no gradient', () => {
    const clamp = bitsOf(10);
    const at = (gate: number, up: number): number => fromBits(swigluBits(bitsOf(gate), bitsOf(up), clamp));
    expect(at(50, 2)).toBe(at(10, 2));
    expect(at(-50, 2)).not.toBe(at(-10, 2));
    expect(at(1, 30)).toBe(at(1, 10));
    expect(at(1, -30)).toBe(at(1, -10));
    const gradient = (gate: number, up: number) => swigluGradients(bitsOf(gate), bitsOf(up), bitsOf(1), clamp);
    expect(gradient(50, 2).gate).toBe(0);
    expect(gradient(50, 2).up).not.toBe(0);
    expect(gradient(1, -30).up).toBe(0);
    expect(gradient(1, -30).gate).not.toBe(0);
    expect(gradient(10, 10)).toEqual(swigluGradients(bitsOf(10), bitsOf(10), bitsOf(1), INF_BITS));
    expect(Number.isNaN(at(Number.NaN, 1))).toBe(true);
    expect(Number.isNaN(at(1, Number.NaN))).toBe(true);
    expect(at(Number.POSITIVE_INFINITY, 1)).toBe(at(10, 1));
  });

  test('gate comes first in x, the weight last, and rows without a slot are zero', () => {
    const spec = swigluSpec(3, 2, { output: 'f32' });
    const inputs = {
      x: f32([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [3, 4]),
      weights: f32([1, 0.5, 3], [3]),
      row_to_slot: { dtype: 'I32' as const, shape: [3], codes: Uint32Array.of(4, 0, 0xffffffff) },
    };
    const one = (gate: number, up: number): number => fromBits(swigluBits(bitsOf(gate), bitsOf(up), INF_BITS));
    expect(values(swigluQuantizeReference(spec, inputs).act)).toEqual([
      one(1, 3),
      one(2, 4),
      Math.fround(0.5 * one(5, 7)),
      Math.fround(0.5 * one(6, 8)),
      0,
      0,
    ]);
  });

  test('a padding row adds nothing to the scale of a tile that spans rows', () => {
    const spec = swigluSpec(2, 1, { scheme: schemeOf({ tile: [128, 1] }) });
    const x = f32([1, 1, 1e30, 1e30], [2, 2]);
    const row_to_slot = { dtype: 'I32' as const, shape: [2], codes: Uint32Array.of(0, 0xffffffff) };
    const alone = swigluQuantizeReference(swigluSpec(1, 1, { scheme: schemeOf({ tile: [128, 1] }) }), {
      x: f32([1, 1], [1, 2]),
    });
    expect(values(swigluQuantizeReference(spec, { x, row_to_slot }).scales)).toEqual(values(alone.scales));
  });
});

describe('the gradient of a weight', () => {
  test('is the sum of grad * act, blocks of 128 first', () => {
    const [rows, inter] = [3, 300];
    const inputs = {
      x: matrix(rows, 2 * inter, 'f32', 'normal', 1),
      grad: matrix(rows, inter, 'f32', 'normal', 2),
      weights: f32([1, 2, 3], [rows]),
    };
    const { dweights } = swigluBackwardReference(swigluBackwardSpec(rows, inter, { output: 'f32' }), inputs);
    const act = values(swigluQuantizeReference(swigluSpec(rows, inter, { output: 'f32' }), { x: inputs.x }).act);
    const grad = values(inputs.grad);
    for (let row = 0; row < rows; row++) {
      let exact = 0;
      let size = 0;
      for (let column = 0; column < inter; column++) {
        const product = grad[row * inter + column]! * act[row * inter + column]!;
        exact += product;
        size += Math.abs(product);
      }
      expect(Math.abs(values(dweights)[row]! - exact)).toBeLessThan(size * 128 * 2 ** -24);
    }
  });

  test('agrees with the change of the loss under a change of the weight', () => {
    // loss = sum(grad * w * act): linear in w, so the derivative is the loss at w = 1.
    const inputs = { x: f32([0.5, -1, 2, 3], [1, 4]), grad: f32([2, -1], [1, 2]), weights: f32([7], [1]) };
    const { dweights } = swigluBackwardReference(swigluBackwardSpec(1, 2, { output: 'f32' }), inputs);
    const loss = 2 * 0.5 * sigmoid(0.5) * 2 - -1 * sigmoid(-1) * 3;
    expect(close(values(dweights)[0]!, loss)).toBe(true);
  });
});

test('a scheme beside an output, a clamp of zero and a wrong dtype of the weights are refused', () => {
  const spec = {
    fp8lab: 1,
    kernel: 'swiglu-quantize',
    name: 's',
    shape: { rows: 4, inter: 8 },
    x: { input: 'normal' },
  };
  expect(() => resolveSpec({ ...spec, scheme: 'activation-1x128', output: 'bf16' })).toThrow('a scheme has its own');
  expect(() => resolveSpec({ ...spec, clamp: 0 })).toThrow('clamp');
  expect(() => resolveSpec({ ...spec, weights: { input: 'normal' } })).toThrow('weights are f32');
  expect(resolveSpec(resolveSpec(spec))).toEqual(resolveSpec(spec));
});
