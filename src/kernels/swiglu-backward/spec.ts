import type { SwigluBackwardSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { swigluInputs, swigluResults } from '../swiglu-quantize/spec.ts';

/** x, grad, and where the spec has them the rows' weights and slots. */
export function swigluBackwardInputs(spec: SwigluBackwardSpec): readonly InputDeclaration[] {
  const { rows, inter } = spec.shape;
  return [...swigluInputs(spec), declareInput('grad', spec.grad.input, [rows, inter])];
}

/** dx [rows, 2 * inter] or its codes and scales, and the gradient of the weights where there are any. */
export function swigluBackwardResults(spec: SwigluBackwardSpec): readonly TensorDeclaration[] {
  const { rows, inter } = spec.shape;
  const dx = swigluResults(spec, 'dx', 2 * inter);
  return spec.weights === undefined ? dx : [...dx, { name: 'dweights', dtype: 'F32', shape: [rows] }];
}
