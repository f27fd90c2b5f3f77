import { swigluOperands } from '../../kernels/swiglu-quantize/reference.ts';
import type { SwigluQuantizeSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { checkActual, checkQuantized } from '../check.ts';
import { along, type Convention, type Problem } from '../convention.ts';
import { encoderOf, outputs, samplesOf } from '../dequantize/problem.ts';
import { describeQuantize } from '../quantize/describe.ts';
import { quantizeProblem } from '../quantize/problem.ts';
import { distanceOf, widthOf } from '../score.ts';
import { Activation } from './activation.ts';

/** A SwiGLU pass with somebody's codes and scales, or act, ready to be searched. */
export function swigluProblem(spec: SwigluQuantizeSpec, inputs: Tensors, actual: Tensors): Problem {
  const activation = new Activation(swigluOperands(spec, inputs));
  const { rows, columns } = activation;
  if (spec.scheme === undefined) return actProblem(spec, activation, checkActual(spec, actual, 'act'));
  return quantizeProblem(spec.scheme, activation, checkQuantized(spec.scheme, rows, columns, actual));
}

/** Values that are rounded alone. */
function actProblem(spec: SwigluQuantizeSpec, activation: Activation, act: Tensor): Problem {
  const { rows, columns } = activation;
  const base: Convention = { ...activation.own, output: 'nearest-even' };
  const predict = (convention: Convention, elements: Int32Array): Uint32Array => {
    const { values } = activation.grids(convention);
    const encode = encoderOf(convention, spec.output ?? 'bf16');
    return Uint32Array.from(elements, (element) => encode(values[element]!));
  };
  return {
    spec: base,
    starts: [],
    tiers: [[...activation.groups, along('output', outputs)]],
    parts: [
      {
        name: 'act',
        start: 0,
        shape: act.shape,
        actual: act.codes,
        distance: distanceOf(act.dtype),
        bits: widthOf(act.dtype),
      },
    ],
    count: rows * columns,
    ...samplesOf(rows, columns),
    canonical: (convention) => activation.canonical(convention),
    predict,
    describe: (convention) => describeQuantize(base, convention),
  };
}
