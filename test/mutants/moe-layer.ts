import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { arithmetic } from './gemm.ts';
import type { Mutant } from './mutant.ts';

/** The matrices of a stack moved on by one: every expert has its neighbour's. */
const neighbours =
  (name: string) =>
  (inputs: Tensors): Tensors => {
    const stack = inputs[name] as Tensor;
    const length = stack.codes.length / stack.shape[0]!;
    const codes = stack.codes.slice() as Tensor['codes'];
    codes.set(stack.codes.subarray(length));
    codes.set(stack.codes.subarray(0, length), stack.codes.length - length);
    return { ...inputs, [name]: { ...stack, codes } };
  };

const unweighted = { WEIGHTED: 0 };

/** Wrong variants of the layer, forward: what its parts share, seen through all of them. */
export const moeLayer: readonly Mutant[] = [
  { kernel: 'moe-layer', name: 'weights left out of the sum', spec: 'moe', constants: unweighted },
  { kernel: 'moe-layer', name: 'gate and up of the neighbour', spec: 'moe', tensors: neighbours('w13') },
  { kernel: 'moe-layer', name: 'down of the neighbour', spec: 'moe', tensors: neighbours('w2') },
  { kernel: 'moe-layer', name: '12 fraction bits', spec: 'moe', ...arithmetic('fractionBits', 12) },
  {
    kernel: 'moe-layer',
    name: 'last row of a piece dropped',
    spec: 'moe-split',
    file: 'kernels/gemm_operand',
    replace: [['row < parameters.rows)', 'row + 1u < parameters.rows)']],
  },
  {
    kernel: 'moe-layer',
    name: 'all zeros',
    spec: 'moe',
    file: 'kernels/gemm_finish',
    replace: [['d[word] = packed;', 'd[word] = packed & 0u;']],
  },
];

/** Wrong variants of the layer, backward. */
export const moeLayerBackward: readonly Mutant[] = [
  {
    kernel: 'moe-layer-backward',
    name: 'weights left out',
    spec: 'moe-backward',
    parameter: { shader: 'kernels/swiglu_gradients', to: 27, value: 0 },
  },
  { kernel: 'moe-layer-backward', name: 'down of the neighbour', spec: 'moe-backward', tensors: neighbours('w2') },
  { kernel: 'moe-layer-backward', name: '12 fraction bits', spec: 'moe-backward', ...arithmetic('fractionBits', 12) },
  {
    kernel: 'moe-layer-backward',
    name: 'codes requantized without their first scale',
    spec: 'moe-backward',
    file: 'kernels/dequantize_rows',
    replace: [['let factor = factors[tile', 'let factor = 0x3f800000u + 0u * factors[tile']],
  },
];
