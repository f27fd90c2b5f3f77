import { expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import type { GateSpec } from '../../src/specs/types.ts';
import { gateSpec } from '../helpers/gate.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { mismatches } from '../helpers/parity.ts';

/** Differences of the device from the reference. */
async function differing(spec: GateSpec, maxBindingBytes?: number): Promise<string[]> {
  const kernel = kernelOf(spec);
  const inputs = materializeInputs(kernel.inputs(spec));
  const gpu = newGpu(maxBindingBytes === undefined ? {} : { maxBindingBytes });
  try {
    return mismatches(await kernel.webgpu(gpu, spec, inputs, 'exact'), kernel.reference(spec, inputs));
  } finally {
    await gpu.destroyRun();
  }
}

const logitsOf = (generate: string, more: object = {}) => ({ logits: { input: { generate, ...more } } });

describeGpu('the gate on a device gives the reference', () => {
  const gates = ['deepseek-v3', 'deepseek-v4', 'mixtral', 'qwen3-moe', 'gpt-oss', { topk: 3, normalize: 'none' }];
  it.each(gates)('%o, near ties and any bits included', async (gate) => {
    const bias = { bias: { input: { generate: 'near-ties', dtype: 'f32', exponent: -3 } } };
    for (const dtype of ['f32', 'bf16', 'f16']) {
      expect(await differing(gateSpec(70, 32, gate, logitsOf('near-ties', { dtype })))).toEqual([]);
      expect(await differing(gateSpec(70, 32, gate, { ...logitsOf('bits', { dtype }), ...bias }))).toEqual([]);
    }
  });

  it('in bands, whatever their size', async () => {
    const spec = gateSpec(
      101,
      32,
      { preset: 'deepseek-v3', sharedExperts: 1 },
      { mask: { generate: 'mask', share: 0.2 } },
    );
    for (const bytes of [1024, 2048, 8192]) expect(await differing(spec, bytes)).toEqual([]);
  });

  it('where experts are so many that the choice takes several dispatches', async () => {
    const spec = gateSpec(5, 2 ** 13, { topk: 9, groups: 4, topkGroups: 2 }, logitsOf('near-ties', { dtype: 'f32' }));
    expect(await differing(spec)).toEqual([]);
  });

  it('with more tokens than 16 bits count', { timeout: 60_000 }, async () => {
    expect(await differing(gateSpec(73_001, 4, { topk: 2 }, logitsOf('near-ties', { dtype: 'f32' })))).toEqual([]);
  });

  it('of replayed experts, some slots empty', async () => {
    for (const gate of ['deepseek-v3', 'mixtral', 'gpt-oss']) {
      const indices = { generate: 'routing', maskedSlots: 0.3, maskedTokens: 0.2 };
      expect(await differing(gateSpec(40, 32, gate, { indices, ...logitsOf('normal') }))).toEqual([]);
      expect(await differing(gateSpec(40, 32, gate, { indices, ...logitsOf('bits', { dtype: 'f32' }) }))).toEqual([]);
    }
  });
});
