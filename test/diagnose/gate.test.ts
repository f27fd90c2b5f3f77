import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import { gateReference } from '../../src/kernels/gate/reference.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { widen } from '../../src/kernels/quantize/reference.ts';
import { sigmoidBits } from '../../src/numerics/exp.ts';
import { addF32, bitsOf, divF32, fromBits, mulF32 } from '../../src/numerics/f32.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { GateSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

/** A shipped spec, of fewer tokens: these tell its rules apart too. */
function read(name: string): GateSpec {
  const spec = JSON.parse(readFileSync(new URL(`../../specs/gate/${name}.json`, import.meta.url), 'utf8'));
  return resolveSpec({ ...spec, shape: { ...spec.shape, tokens: 128 } }, name) as GateSpec;
}

const spec = read('dsv3');
const inputs = materializeInputs(kernelOf(spec).inputs(spec as never));
const found = (actual: Tensors) => diagnose(spec, inputs, actual, { budget: 120_000 });
const under = (change: Partial<GateSpec['gate']>): Tensors =>
  gateReference({ ...spec, gate: { ...spec.gate, ...change } }, inputs);

describe('diagnose gate', { timeout: 300_000 }, () => {
  it('says so where the gate did what the spec says', () => {
    expect(found(under({})).verdict).toBe('as-specified');
  });

  it.each([
    ['the score', { score: 'softmax' }, { score: 'softmax' }],
    ['the group score', { groupScore: 'max' }, { groups: 'max' }],
    ['no limit of groups', { topkGroups: 8 }, { groups: 'unlimited' }],
    ['weights that are not normalized', { normalize: 'none' }, { normalize: 'none' }],
    ['a route scale left out', { routeScale: 1 }, { scale: 'left-out' }],
    ['two together', { groupScore: 'max', normalize: 'none' }, { groups: 'max', normalize: 'none' }],
  ] as const)('names %s', (_, change, expected) => {
    const answer = found(under(change));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
    expect(answer.candidates[0]!.deviations).toHaveLength(Object.keys(expected).length);
  });

  it('names a bias that leaks into the weights', () => {
    const own = under({});
    const { experts } = spec.shape;
    const slots = spec.gate.topk;
    const bias = inputs.bias!.codes;
    // Unnormalized scores, from a gate that leaves its weights alone; then what the leaking kernel does with them.
    const scores = under({ normalize: 'none', routeScale: 1 }).topk_weights!.codes;
    const codes = own.topk_weights!.codes.slice() as Uint32Array;
    for (let at = 0; at < codes.length; at += slots) {
      const leaked = Array.from({ length: slots }, (_, slot) =>
        addF32(fromBits(scores[at + slot]!), fromBits(bias[own.topk_idx!.codes[at + slot]! % experts]!)),
      );
      const sum = leaked.reduce(addF32, Math.fround(1e-20));
      for (let slot = 0; slot < slots; slot++)
        codes[at + slot] = bitsOf(mulF32(divF32(leaked[slot]!, sum), spec.gate.routeScale));
    }
    const weights: Tensor = { ...own.topk_weights!, codes };
    expect(found({ topk_idx: own.topk_idx!, topk_weights: weights }).candidates[0]!.convention).toMatchObject({
      weights: 'biased',
    });
  });

  it('names ties that go to the higher index', () => {
    // Few mantissa bits and no bias: ties in every token.
    const coarse = inputs.logits!.codes.map((bits) => bits & 0xfff00000) as Tensor['codes'];
    const none = inputs.bias!.codes.map(() => 0) as Tensor['codes'];
    const flat: Tensors = {
      ...inputs,
      logits: { ...inputs.logits!, codes: coarse },
      bias: { ...inputs.bias!, codes: none },
    };
    // The lower index wins in the contract: reading experts and their bias backwards makes it the higher.
    const { experts } = spec.shape;
    const turned = (tensor: Tensor, width: number): Tensor => ({
      ...tensor,
      codes: tensor.codes.map((_, i) => tensor.codes[i - (i % width) + (width - 1 - (i % width))]!) as Tensor['codes'],
    });
    const mirrored = gateReference(spec, {
      ...flat,
      logits: turned(flat.logits!, experts),
      bias: turned(flat.bias!, experts),
    });
    const actual: Tensors = {
      topk_idx: {
        ...mirrored.topk_idx!,
        codes: mirrored.topk_idx!.codes.map((expert) => experts - 1 - expert) as Tensor['codes'],
      },
      topk_weights: mirrored.topk_weights!,
    };
    const answer = diagnose(spec, flat, actual, { budget: 120_000 });
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ ties: 'higher' });
  });

  it('names groups that are set to 0 in place of minus infinity', () => {
    // With a bias far below zero every ranked score of a kept group is negative: a 0 outside wins.
    const low: Tensors = {
      ...inputs,
      bias: { ...inputs.bias!, codes: inputs.bias!.codes.map(() => bitsOf(-4)) as Tensor['codes'] },
    };
    const own = gateReference(spec, low);
    const logits = widen(low.logits!);
    const { experts } = spec.shape;
    const slots = spec.gate.topk;
    const size = experts / spec.gate.groups;
    const indices = own.topk_idx!.codes.slice() as Uint32Array;
    const weights = own.topk_weights!.codes.slice() as Uint32Array;
    for (let at = 0; at < indices.length; at += slots) {
      const kept = keptGroups(logits, (at / slots) * experts, size, spec.gate.groups, spec.gate.topkGroups);
      const outside = Array.from({ length: experts }, (_, i) => i).filter((i) => !kept.has(Math.floor(i / size)));
      const scores = outside
        .slice(0, slots)
        .map((expert) => fromBits(sigmoidBits(logits[(at / slots) * experts + expert]!)));
      const sum = scores.reduce(addF32, Math.fround(1e-20));
      for (let slot = 0; slot < slots; slot++) {
        indices[at + slot] = outside[slot]!;
        weights[at + slot] = bitsOf(mulF32(divF32(scores[slot]!, sum), spec.gate.routeScale));
      }
    }
    const actual: Tensors = {
      topk_idx: { ...own.topk_idx!, codes: indices },
      topk_weights: { ...own.topk_weights!, codes: weights },
    };
    const answer = diagnose(spec, low, actual, { budget: 120_000 });
    const best = answer.candidates[0]!;
    expect(answer.verdict).toBe('explained');
    expect(best.convention).toMatchObject({ outside: 'zero' });
  });
});

/** Groups with the largest sums of their two largest sigmoids, in doubles: no near ties in these data. */
function keptGroups(logits: ArrayLike<number>, from: number, size: number, groups: number, count: number): Set<number> {
  const sums = Array.from({ length: groups }, (_, group) => {
    const scores = Array.from(
      { length: size },
      (_, i) => 1 / (1 + Math.exp(-fromBits(logits[from + group * size + i]!))),
    );
    scores.sort((a, b) => b - a);
    return { group, sum: scores[0]! + scores[1]! };
  });
  return new Set(
    sums
      .sort((a, b) => b.sum - a.sum)
      .slice(0, count)
      .map(({ group }) => group),
  );
}
