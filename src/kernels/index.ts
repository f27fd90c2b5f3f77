import type {
  DequantizeSpec,
  GemmSpec,
  KernelName,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
} from '../specs/types.ts';
import { dequantizeReference, quantizedOperand } from './dequantize/reference.ts';
import { dequantizeInputs, dequantizeResults } from './dequantize/spec.ts';
import { dequantizeWebGpu } from './dequantize/webgpu.ts';
import { gemmReference } from './gemm/reference.ts';
import { gemmInputs, gemmResults } from './gemm/spec.ts';
import { gemmWebGpu } from './gemm/webgpu.ts';
import type { Kernel } from './kernel.ts';
import { quantizedTensors, quantizeReference } from './quantize/reference.ts';
import { quantizeInputs, quantizeResults } from './quantize/spec.ts';
import { quantizeWebGpu } from './quantize/webgpu.ts';
import { requantizeReference } from './requantize/reference.ts';
import { requantizeInputs, requantizeResults } from './requantize/spec.ts';
import { requantizeWebGpu } from './requantize/webgpu.ts';
import { requireShape, requireTensor } from './tiles.ts';

const quantize: Kernel<QuantizeSpec> = {
  name: 'quantize',
  inputs: quantizeInputs,
  results: quantizeResults,
  reference: (spec, inputs) => {
    const x = requireTensor(inputs, 'x');
    requireShape('x', x, [spec.shape.rows, spec.shape.columns]);
    return quantizedTensors(quantizeReference(x, spec.scheme));
  },
  webgpu: quantizeWebGpu,
};

const dequantize: Kernel<DequantizeSpec> = {
  name: 'dequantize',
  inputs: dequantizeInputs,
  results: dequantizeResults,
  reference: (spec, inputs) => {
    const quantized = quantizedOperand('x', spec.x, inputs, spec.shape.rows, spec.shape.columns);
    return { x: dequantizeReference(quantized, spec.x.scheme, spec.output) };
  },
  webgpu: dequantizeWebGpu,
};

const requantize: Kernel<RequantizeSpec> = {
  name: 'requantize',
  inputs: requantizeInputs,
  results: requantizeResults,
  reference: (spec, inputs) => {
    const from = quantizedOperand('x', spec.x, inputs, spec.shape.rows, spec.shape.columns);
    return quantizedTensors(requantizeReference(from, spec.x.scheme, spec.to));
  },
  webgpu: requantizeWebGpu,
};

const gemm: Kernel<GemmSpec> = {
  name: 'gemm',
  inputs: gemmInputs,
  results: gemmResults,
  reference: (spec, inputs) => ({ d: gemmReference(spec, inputs) }),
  webgpu: gemmWebGpu,
};

/** Every kernel by its name. */
export const kernels: Readonly<Record<KernelName, Kernel<never>>> = { quantize, dequantize, requantize, gemm };

/** The kernel of a spec. */
export function kernelOf(spec: ResolvedSpec): Kernel {
  return kernels[spec.kernel] as unknown as Kernel;
}
