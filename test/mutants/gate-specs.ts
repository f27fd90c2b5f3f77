import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import { gateSpec, i32Tensor } from '../helpers/gate.ts';
import type { MutantSpec } from './specs.ts';

function gateOf(tokens: number, experts: number, gate: unknown, more: object, maxBindingBytes?: number): MutantSpec {
  const spec = gateSpec(tokens, experts, gate, more);
  const inputs = materializeInputs(kernelOf(spec).inputs(spec));
  return { spec, inputs, ...(maxBindingBytes !== undefined && { maxBindingBytes }) };
}

const logits = (generate: string, more: object = {}) => ({ logits: { input: { generate, dtype: 'f32', ...more } } });
/** All ranked values below zero: a 0 in place of minus infinity wins. */
const below = { bias: { input: { generate: 'positive', dtype: 'f32', seed: 3 } } };

function negated(it: MutantSpec): MutantSpec {
  const bias = it.inputs.bias!;
  const codes = bias.codes.map((bits) => ((bits + 0x1000000) | 0x80000000) >>> 0) as Uint32Array;
  return { ...it, inputs: { ...it.inputs, bias: { ...bias, codes } } };
}

/** Any spec with the inputs it names. */
function made(kernel: string, fields: object, maxBindingBytes?: number): MutantSpec {
  const spec = resolveSpec({ fp8lab: 1, kernel, name: 'test', ...fields });
  const inputs = materializeInputs(kernelOf(spec).inputs(spec));
  return { spec, inputs, ...(maxBindingBytes !== undefined && { maxBindingBytes }) };
}

const sequence = {
  shape: { tokens: 700, experts: 32 },
  topk: 4,
  logits: { input: { generate: 'normal', dtype: 'f32' } },
};

/** Specs on which the mutants of the gate, and of what balances its experts, show. */
export const gateMutantSpecs = {
  gate: negated(
    gateOf(70, 32, 'deepseek-v3', { ...logits('normal'), ...below, mask: { generate: 'mask', share: 0.2 } }),
  ),
  'gate-ties': gateOf(70, 32, { preset: 'deepseek-v3', sharedExperts: 1 }, logits('near-ties')),
  'gate-bits': gateOf(120, 8, { topk: 2, groups: 2, topkGroups: 1 }, logits('bits')),
  'gate-softmax': gateOf(50, 16, 'mixtral', logits('normal', { exponent: 2 })),
  'gate-logit': gateOf(50, 16, 'gpt-oss', logits('normal', { exponent: 2 })),
  'gate-softplus': gateOf(50, 16, 'deepseek-v4', logits('normal', { exponent: 4 })),
  // Scores of zero, two at a time.
  'gate-far': gateOf(50, 2, { topk: 2 }, logits('normal', { exponent: 9 })),
  'gate-split': gateOf(101, 32, 'deepseek-v3', logits('near-ties'), 2048),
  // The mean is 2^30, and the sum passes 32 bits.
  'bias-update': withLoad([2 ** 30, 2 ** 30, 2 ** 30, 2 ** 31 - 1, 1, 3, 2 ** 31 - 3, 2 ** 30]),
  'load-statistics': made('load-statistics', {
    shape: { tokens: 301, experts: 7, topk: 3 },
    topkIdx: { generate: 'routing', maskedSlots: 0.2, skew: 1 },
  }),
  'balance-loss': made('balance-loss', sequence),
  'balance-loss-split': made('balance-loss', sequence, 40_000),
} satisfies Record<string, MutantSpec>;

function withLoad(load: readonly number[]): MutantSpec {
  const it = made('bias-update', {
    shape: { experts: load.length },
    bias: { input: { generate: 'uniform', dtype: 'f32' } },
    load: 'integers',
  });
  return { ...it, inputs: { ...it.inputs, load: i32Tensor(load, [load.length]) } };
}
