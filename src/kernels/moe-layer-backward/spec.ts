import { allExperts, slotsOf } from '../../specs/kernels/moe-layer.ts';
import type { MoeLayerBackwardSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { moeInputs } from '../moe-layer/spec.ts';

/** The forward's inputs, and the gradient of y. */
export function moeLayerBackwardInputs(spec: MoeLayerBackwardSpec): readonly InputDeclaration[] {
  const { tokens, hidden } = spec.shape;
  return [...moeInputs(spec), declareInput('dy', spec.dy.input, [tokens, hidden])];
}

/** Gradients of x in bf16, of the weights and of the gate's weights in f32. */
export function moeLayerBackwardResults(spec: MoeLayerBackwardSpec): readonly TensorDeclaration[] {
  const { tokens, hidden, inter } = spec.shape;
  const experts = allExperts(spec);
  return [
    { name: 'dx', dtype: 'BF16', shape: [tokens, hidden] },
    { name: 'dw13', dtype: 'F32', shape: [experts, 2 * inter, hidden] },
    { name: 'dw2', dtype: 'F32', shape: [experts, hidden, inter] },
    { name: 'dweights', dtype: 'F32', shape: [tokens, slotsOf(spec)] },
  ];
}
