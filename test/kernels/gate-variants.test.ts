import { expect, it } from 'vitest';
import { fittingGates } from '../../src/kernels/gate/variants.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { lackedBy } from '../../src/kernels/variants.ts';
import type { GateSpec } from '../../src/specs/types.ts';
import { gateSpec } from '../helpers/gate.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { againstReference } from '../helpers/parity.ts';

const logits = (generate: string, dtype = 'f32') => ({ logits: { input: { generate, dtype } } });
const bias = { bias: { input: { generate: 'near-ties', dtype: 'f32', exponent: -3 } } };
/** Quick to compile. */
const plain = { score: 'logit', normalize: 'none' };
const masks = { mask: { generate: 'mask', share: 0.4 } };

/** Ties, NaN and infinities of every score and group score; one expert, all of them, more than threads, and fewer than lie in a word of keys. */
const specs: readonly (readonly [string, GateSpec])[] = [
  [
    'ties, a bias',
    gateSpec(37, 256, { ...plain, groups: 8, topkGroups: 4 }, { ...logits('near-ties'), ...bias, ...masks }),
  ],
  ['any bits', gateSpec(70, 12, { topk: 3, groups: 6, topkGroups: 5 }, { ...logits('bits', 'f16'), ...bias })],
  ['a softmax of ties', gateSpec(21, 130, 'qwen3-moe', logits('near-ties'))],
  ['a softmax of any bits', gateSpec(21, 131, 'qwen3-moe', logits('bits', 'bf16'))],
  [
    'equal logits',
    gateSpec(5, 100, { ...plain, topk: 5, groups: 4, topkGroups: 2, groupScore: 'max' }, logits('zero')),
  ],
  ['128 groups', gateSpec(3, 128, { ...plain, groups: 128, topkGroups: 9, groupScore: 'max' }, logits('near-ties'))],
  ['one expert', gateSpec(3, 1, { ...plain, topk: 1 }, logits('normal'))],
  ['every expert', gateSpec(3, 70, { ...plain, topk: 70 }, logits('near-ties'))],
  ['1021 experts', gateSpec(4, 1021, plain, logits('near-ties'))],
];

describeGpu('the gate by workgroups and by subgroups gives the reference', () => {
  const able = fittingGates(specs[0]![1]).filter((variant) => lackedBy(newGpu(), variant).length === 0);
  const cases = specs.flatMap(([what, spec]) => able.slice(1).map(({ name }) => [what, name, spec] as const));

  it.each(cases)('%s, by %s', async (_, name, spec) => {
    const inputs = materializeInputs(kernelOf(spec).inputs(spec));
    for (const maxBindingBytes of [2 ** 20, 5000]) {
      expect(await againstReference(spec, inputs, { maxBindingBytes, variants: { gate: name } })).toEqual([]);
    }
  });
});

it('more experts than a workgroup holds are chosen by threads', () => {
  const names = (experts: number) => fittingGates(gateSpec(1, experts, plain)).map(({ name }) => name);
  expect(names(1024)).toEqual(['threads', 'workgroups', 'subgroups']);
  expect(names(1025)).toEqual(['threads']);
});
