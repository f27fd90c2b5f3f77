import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { widen } from '../../src/kernels/quantize/reference.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { MoeLayerBackwardSpec, MoeLayerSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

const operand = (scheme: string, seed: number, exponent = 0) => ({
  scheme,
  input: { generate: 'normal', seed, exponent },
});

const shape = { tokens: 17, hidden: 96, inter: 48, experts: 6 };

const layer = (more: object = {}): object => ({
  fp8lab: 1,
  kernel: 'moe-layer',
  name: 'layer',
  shape,
  gate: { topk: 2, routeScale: 2, sharedExperts: 1 },
  alignment: 16,
  x: operand('activation-1x128-pow2', 1),
  logits: { input: { generate: 'normal', seed: 2, dtype: 'f32' } },
  w13: operand('weight-128x128-pow2', 3, -3),
  w2: operand('weight-128x128-pow2', 4, -3),
  output: 'f32',
  ...more,
});

const forward = (more: object = {}): MoeLayerSpec => resolveSpec(layer(more)) as MoeLayerSpec;

function backward(more: object = {}): MoeLayerBackwardSpec {
  const { output: _, ...rest } = layer({ kernel: 'moe-layer-backward', ...more }) as { output: string };
  const along = {
    dy: { input: { generate: 'normal', seed: 5 } },
    channel: { preset: 'channel-128x1-pow2', tile: [16, 1] },
  };
  return resolveSpec({ ...rest, ...along, arithmetic: { promoteEvery: 16 } }) as MoeLayerBackwardSpec;
}

const inputsOf = (spec: MoeLayerSpec | MoeLayerBackwardSpec): Tensors => materializeInputs(kernelOf(spec).inputs(spec));
const reference = (spec: MoeLayerSpec | MoeLayerBackwardSpec, inputs: Tensors): Tensors =>
  kernelOf(spec).reference(spec, inputs);

const numbers = (tensor: Tensor): number[] => Array.from(widen(tensor), fromBits);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** What a token's slot does in f64: its expert's numbers by the inputs as they are, without any quantization. */
interface Slot {
  readonly expert: number;
  readonly weight: number;
  readonly gate: number[];
  readonly up: number[];
  readonly act: number[];
  readonly out: number[];
}

interface Plain {
  readonly slots: readonly (readonly Slot[])[];
  readonly x: number[];
  readonly w13: number[];
  readonly w2: number[];
}

/** The layer in f64, expert by expert, with a gate of its own: the two largest sigmoids, normalized, and the shared expert. */
function plainLayer(inputs: Tensors): Plain {
  const { tokens, hidden, inter, experts } = shape;
  const [x, w13, w2, logits] = ['x', 'w13', 'w2', 'logits'].map((name) => numbers(inputs[name]!)) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const dot = (w: number[], row: number, v: number[]): number =>
    v.reduce((sum, value, i) => sum + value * w[row * v.length + i]!, 0);
  const slots = Array.from({ length: tokens }, (_, token) => {
    const scores = logits.slice(token * experts, (token + 1) * experts).map(sigmoid);
    const chosen = scores
      .map((score, expert) => ({ score, expert }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 2);
    const total = chosen.reduce((sum, { score }) => sum + score, 0);
    const all = [
      ...chosen.map(({ score, expert }) => ({ expert, weight: (2 * score) / total })),
      { expert: experts, weight: 1 },
    ];
    const row = x.slice(token * hidden, (token + 1) * hidden);
    return all.map(({ expert, weight }): Slot => {
      const gate = Array.from({ length: inter }, (_, i) => dot(w13, expert * 2 * inter + i, row));
      const up = Array.from({ length: inter }, (_, i) => dot(w13, expert * 2 * inter + inter + i, row));
      const act = gate.map((value, i) => value * sigmoid(value) * up[i]!);
      const out = Array.from({ length: hidden }, (_, i) => dot(w2, expert * hidden + i, act));
      return { expert, weight, gate, up, act, out };
    });
  });
  return { slots, x, w13, w2 };
}

/** Root mean square of the difference over that of what is wanted. */
function relativeError(got: number[], want: number[]): number {
  const norm = (values: number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return norm(got.map((value, i) => value - want[i]!)) / norm(want);
}

describe('moe-layer', () => {
  const bf16 = { preset: 'bf16', tile: [1, 0] };
  const wide = { x: { ...operand('bf16', 1), scheme: bf16 }, w13: operand('bf16', 3, -3), w2: operand('bf16', 4, -3) };
  it.each([
    ['what FP8 loses', {}, 0.1],
    ['what bf16 loses', { ...wide, activation: bf16, arithmetic: 'hopper-bf16' }, 0.006],
  ])('is the layer that f64 computes without quantization, but for %s', (_, more, limit) => {
    const spec = forward(more);
    const inputs = inputsOf(spec);
    const { y, topk_idx } = reference(spec, inputs);
    const plain = plainLayer(inputs);
    const want = plain.slots.flatMap((slots) =>
      Array.from({ length: shape.hidden }, (_, i) => slots.reduce((sum, { weight, out }) => sum + weight * out[i]!, 0)),
    );
    expect(relativeError(numbers(y!), want)).toBeLessThan(limit);
    expect(Array.from(topk_idx!.codes)).toEqual(plain.slots.flatMap((slots) => slots.map(({ expert }) => expert)));
  });

  it('a token alone gets the bits that it gets among others', () => {
    const spec = forward();
    const inputs = inputsOf(spec);
    const { y } = reference(spec, inputs);
    const { hidden, experts } = shape;
    for (const token of [0, 7, 16]) {
      const cut = (tensor: Tensor, columns: number): Tensor => ({
        ...tensor,
        shape: [1, columns],
        codes: tensor.codes.subarray(token * columns, (token + 1) * columns),
      });
      const alone = forward({ shape: { ...shape, tokens: 1 } });
      const one = reference(alone, { ...inputs, x: cut(inputs.x!, hidden), logits: cut(inputs.logits!, experts) });
      expect(one.y!.codes).toEqual(y!.codes.slice(token * hidden, (token + 1) * hidden));
    }
  });

  it('does not depend on the alignment of experts', () => {
    const results = [1, 8, 128].map((alignment) => {
      const spec = forward({ alignment });
      return reference(spec, inputsOf(spec)).y!.codes;
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('tokens that go nowhere give zeros', () => {
    const spec = forward({ mask: { generate: 'mask', share: 1 } });
    const { y, topk_idx } = reference(spec, inputsOf(spec));
    expect(new Set(y!.codes)).toEqual(new Set([0]));
    expect(new Set(topk_idx!.codes)).toEqual(new Set([0xffffffff]));
  });

  it.each([
    ['more slots than experts', { gate: { topk: 7 } }, 'gate.topk: is 7'],
    ['rows that share a scale', { activation: 'weight-128x128-pow2' }, 'activation.tile[0]: is 128'],
    ['tokens that share a scale', { x: operand('gradient-128x128', 1) }, 'x.scheme.tile[0]: is 128'],
    [
      'a promotion across scales',
      { shape: { ...shape, hidden: 512 }, arithmetic: { promoteEvery: 96 } },
      'arithmetic.promoteEvery: is 96',
    ],
  ])('refuses %s', (_, more, message) => {
    expect(() => forward(more)).toThrow(message);
  });
});

describe('moe-layer-backward', () => {
  const spec = backward();
  const inputs = inputsOf(spec);
  const got = reference(spec, inputs);
  const { tokens, hidden, inter, experts } = shape;
  const plain = plainLayer(inputs);
  const dy = numbers(inputs.dy!);

  /** Gradients by the chain rule in f64. */
  function gradients() {
    const dx = new Array<number>(tokens * hidden).fill(0);
    const dw13 = new Array<number>((experts + 1) * 2 * inter * hidden).fill(0);
    const dw2 = new Array<number>((experts + 1) * hidden * inter).fill(0);
    const dweights: number[] = [];
    for (let token = 0; token < tokens; token++) {
      const x = plain.x.slice(token * hidden, (token + 1) * hidden);
      const g = dy.slice(token * hidden, (token + 1) * hidden);
      for (const { expert, weight, gate, up, act, out } of plain.slots[token]!) {
        dweights.push(g.reduce((sum, value, i) => sum + value * out[i]!, 0));
        for (let j = 0; j < inter; j++) {
          let dact = 0;
          for (let i = 0; i < hidden; i++) {
            dact += weight * g[i]! * plain.w2[(expert * hidden + i) * inter + j]!;
            dw2[(expert * hidden + i) * inter + j]! += weight * g[i]! * act[j]!;
          }
          const s = sigmoid(gate[j]!);
          const dgate = dact * up[j]! * s * (1 + gate[j]! * (1 - s));
          const dup = dact * gate[j]! * s;
          const [gateRow, upRow] = [expert * 2 * inter + j, expert * 2 * inter + inter + j];
          for (let i = 0; i < hidden; i++) {
            dw13[gateRow * hidden + i]! += dgate * x[i]!;
            dw13[upRow * hidden + i]! += dup * x[i]!;
            dx[token * hidden + i]! += dgate * plain.w13[gateRow * hidden + i]! + dup * plain.w13[upRow * hidden + i]!;
          }
        }
      }
    }
    return { dx, dw13, dw2, dweights };
  }

  it.each(Object.entries(gradients()))('%s is the chain rule in f64, but for what FP8 loses', (name, want) => {
    expect(relativeError(numbers(got[name]!), want)).toBeLessThan(0.1);
  });

  it('an expert without tokens has no gradient', () => {
    const few = backward({ shape: { ...shape, tokens: 1 } });
    const { dw13 } = reference(few, inputsOf(few));
    const length = 2 * inter * hidden;
    const empty = Array.from({ length: experts }, (_, expert) => expert).filter((expert) =>
      dw13!.codes.subarray(expert * length, (expert + 1) * length).every((bits) => bits === 0),
    );
    expect(empty.length).toBe(experts - 2);
  });

  it('tiles along tokens that the alignment does not hold are refused', () => {
    expect(() => backward({ alignment: 24 })).toThrow('channel.tile[0]: is 16');
  });
});
