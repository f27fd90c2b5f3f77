import { dequantizeWords, quantizedOperand, tileFactors } from '../../kernels/dequantize/reference.ts';
import type { Quantized } from '../../kernels/quantize/reference.ts';
import { requireTensor } from '../../kernels/tiles.ts';
import type {
  DequantizeSpec,
  KernelName,
  Operand,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
} from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { balanceLossTracer, biasUpdateTracer, loadStatisticsTracer } from './balance.ts';
import { combineTracer, dispatchTracer } from './dispatch.ts';
import { gateTracer } from './gate.ts';
import { gemmTracer } from './gemm.ts';
import { groupedGemmTracer } from './grouped-gemm.ts';
import { moeLayerBackwardTracer, moeLayerTracer } from './moe-layer.ts';
import { tensorSource, traceFactorOf, traceOutput } from './operand.ts';
import { permuteTracer, unpermuteTracer } from './permute.ts';
import { type Derivation, type Source, type Tracer, traceCode, traceQuantized } from './quantize.ts';
import { f32Value, quantity, Recorder } from './steps.ts';
import { swigluBackwardTracer, swigluQuantizeTracer } from './swiglu.ts';

type SpecOf<K extends KernelName> = Extract<ResolvedSpec, { readonly kernel: K }>;

const tracers: { readonly [K in KernelName]: (spec: SpecOf<K>, inputs: Tensors) => Tracer } = {
  quantize: quantizeTracer,
  dequantize: dequantizeTracer,
  requantize: requantizeTracer,
  gemm: gemmTracer,
  'grouped-gemm': groupedGemmTracer,
  gate: gateTracer,
  'bias-update': biasUpdateTracer,
  'balance-loss': balanceLossTracer,
  'load-statistics': loadStatisticsTracer,
  permute: permuteTracer,
  unpermute: unpermuteTracer,
  'swiglu-quantize': swigluQuantizeTracer,
  'swiglu-backward': swigluBackwardTracer,
  'moe-layer': moeLayerTracer,
  'moe-layer-backward': moeLayerBackwardTracer,
  dispatch: dispatchTracer,
  combine: combineTracer,
};

/** A tracer of a spec over its inputs. */
export function kernelTracer(spec: ResolvedSpec, inputs: Tensors): Tracer {
  return (tracers[spec.kernel] as (spec: ResolvedSpec, inputs: Tensors) => Tracer)(spec, inputs);
}

function quantizeTracer(spec: QuantizeSpec, inputs: Tensors): Tracer {
  const source = tensorSource('x', requireTensor(inputs, 'x'));
  return (tensor, coordinates) => traceQuantized(source, spec.scheme, tensor, coordinates);
}

/** An operand's codes and scales with a derivation of each code's dequantized value. */
interface TracedOperand {
  readonly quantized: Quantized;
  /** Sections up to fl(code * scale) of element [row, column]. */
  value(row: number, column: number): Derivation;
}

function tracedOperand(operand: Operand, inputs: Tensors, rows: number, columns: number): TracedOperand {
  const { scheme } = operand;
  const quantized = quantizedOperand('x', operand, inputs, rows, columns);
  const x = inputs.x;
  const source = x === undefined || inputs.scales !== undefined ? undefined : tensorSource('x', x);
  const factors = tileFactors(quantized, scheme);
  const value = (row: number, column: number): Derivation => {
    const sections = source === undefined ? [] : [...traceCode(source, scheme, row, column).sections];
    const recorder = new Recorder();
    const code = quantity('code', quantized.codes.codes[row * columns + column]!, scheme.format);
    const scale = traceFactorOf(recorder, quantized, scheme, factors, row, column);
    const decoded = recorder.record('decode', `${scheme.format} to f32`, [code], f32Value('code', Number(code.value)));
    const result = recorder.multiply('v', decoded, scale);
    return { sections: [...sections, recorder.section('Value of the code')], result };
  };
  return { quantized, value };
}

function dequantizeTracer(spec: DequantizeSpec, inputs: Tensors): Tracer {
  const { rows, columns } = spec.shape;
  const operand = tracedOperand(spec.x, inputs, rows, columns);
  return (_, [row, column]) => {
    const { sections, result } = operand.value(row!, column!);
    return traceOutput(sections, result, spec.output);
  };
}

function requantizeTracer(spec: RequantizeSpec, inputs: Tensors): Tracer {
  const { rows, columns } = spec.shape;
  const operand = tracedOperand(spec.x, inputs, rows, columns);
  const source: Source = {
    rows,
    columns,
    bits: dequantizeWords(operand.quantized, spec.x.scheme),
    describe: (row, column) => {
      const steps = operand.value(row, column).sections.flatMap((section) => section.steps);
      return { title: 'Input', text: `the value that ${spec.x.scheme.format} holds`, steps };
    },
  };
  return (tensor, coordinates) => traceQuantized(source, spec.to, tensor, coordinates);
}
