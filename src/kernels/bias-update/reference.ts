import { addBits, bitsOf } from '../../numerics/f32.ts';
import type { BiasUpdateSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { requireCounts, requireF32 } from '../indices.ts';
import { requireTensor } from '../tiles.ts';

/** The inputs' lanes, checked: f32 bits and counts. */
export function biasUpdateLanes({ shape }: BiasUpdateSpec, inputs: Tensors): { bias: Uint32Array; load: Uint32Array } {
  return {
    bias: requireF32('bias', requireTensor(inputs, 'bias'), [shape.experts]),
    load: requireCounts('load', requireTensor(inputs, 'load'), [shape.experts]),
  };
}

/** Each bias moved by gamma toward the mean load: docs/numerics.md, "Balance". */
export function biasUpdateReference(spec: BiasUpdateSpec, inputs: Tensors): Tensors {
  const { bias, load } = biasUpdateLanes(spec, inputs);
  const { experts } = spec.shape;
  const gamma = bitsOf(spec.gamma);
  const total = load.reduce((sum, count) => sum + count, 0);
  const codes = bias.map((bits, expert) => {
    const excess = load[expert]! * experts - total;
    if (excess === 0) return bits;
    return addBits(bits, excess < 0 ? gamma : (gamma ^ 0x80000000) >>> 0);
  });
  return { bias: { dtype: 'F32', shape: [experts], codes } };
}
