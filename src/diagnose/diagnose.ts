import { inputError } from '../errors.ts';
import { dequantizeWords, quantizedOperand } from '../kernels/dequantize/reference.ts';
import { widen } from '../kernels/quantize/reference.ts';
import { requireShape, requireTensor } from '../kernels/tiles.ts';
import { decodeBits, encodeBits } from '../numerics/codec.ts';
import { decodeTable } from '../numerics/decode-bits.ts';
import { formats } from '../numerics/formats.ts';
import type { RequantizeSpec, ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { type Answer, answerOf } from './answer.ts';
import { checkActual, checkQuantized } from './check.ts';
import type { Problem } from './convention.ts';
import { dequantizeProblem } from './dequantize/problem.ts';
import { gateProblem } from './gate/problem.ts';
import { gemmProblem } from './gemm/problem.ts';
import { Groups } from './grouped-gemm/groups.ts';
import { groupedGemmProblem } from './grouped-gemm/problem.ts';
import { originOf } from './quantize/origin.ts';
import { quantizeProblem } from './quantize/problem.ts';
import { Search, type SearchOptions } from './search.ts';
import { swigluProblem } from './swiglu/problem.ts';
import { AmaxGrids } from './tile-quantizer.ts';

/** Kernels whose results can be diagnosed. */
export const diagnosedKernels = [
  'quantize',
  'dequantize',
  'requantize',
  'gemm',
  'grouped-gemm',
  'swiglu-quantize',
  'gate',
] as const;

/**
 * Finds out what a kernel computed: the convention that reproduces its results from the spec's inputs, the nearest ones where none does, and those
 * that the inputs cannot tell apart.
 * @param inputs the spec's materialized inputs
 * @param actual the kernel's results, under the contract's names
 */
export function diagnose(spec: ResolvedSpec, inputs: Tensors, actual: Tensors, options: SearchOptions = {}): Answer {
  const problem = problemOf(spec, inputs, actual);
  return answerOf(spec, inputs, problem, new Search(problem, options).run());
}

/** What is searched for a spec with somebody's results. Refuses results of the wrong name, dtype or shape, and those without content. */
export function problemOf(spec: ResolvedSpec, inputs: Tensors, actual: Tensors): Problem {
  switch (spec.kernel) {
    case 'gemm':
      return gemmProblem(spec, inputs, checkActual(spec, actual, 'd'));
    case 'grouped-gemm': {
      const groups = new Groups(spec, inputs);
      if (groups.live.length > 0) return groupedGemmProblem(spec, groups, inputs, checkActual(spec, actual, 'd'));
      const fix = 'give a group_layout with rows';
      throw inputError('no group has rows: there is nothing to diagnose', 'empty', 'group_layout', fix);
    }
    case 'dequantize':
      return dequantizeProblem(spec, inputs, checkActual(spec, actual, 'x'));
    case 'quantize': {
      const { rows, columns } = spec.shape;
      const x = requireTensor(inputs, 'x');
      requireShape('x', x, [rows, columns]);
      const bits = widen(x);
      const sources = {
        own: new AmaxGrids(bits, rows, columns),
        transposed: new AmaxGrids(turned(bits, rows, columns), rows, columns),
      };
      return quantizeProblem(
        spec.scheme,
        originOf(sources),
        checkQuantized(spec.scheme, rows, columns, actual, isZero(bits)),
      );
    }
    case 'gate':
      return gateProblem(
        spec,
        inputs,
        checkActual(spec, actual, 'topk_idx'),
        checkActual(spec, actual, 'topk_weights'),
      );
    case 'swiglu-quantize':
      return swigluProblem(spec, inputs, actual);
    case 'requantize':
      return requantizeProblem(spec, inputs, actual);
    default:
      throw inputError(
        `results of ${(spec as ResolvedSpec).kernel} cannot be diagnosed`,
        'unsupported-kernel',
        (spec as ResolvedSpec).name,
        `give a spec of ${diagnosedKernels.join(', ')}`,
      );
  }
}

function requantizeProblem(spec: RequantizeSpec, inputs: Tensors, actual: Tensors): Problem {
  const { rows, columns } = spec.shape;
  const quantized = quantizedOperand('x', spec.x, inputs, rows, columns);
  const values = dequantizeWords(quantized, spec.x.scheme);
  const table = decodeTable(formats[spec.x.scheme.format]);
  const unscaled = Uint32Array.from(quantized.codes.codes, (code) => table[code]!);
  const bf16 = values.map((bits) => decodeBits(encodeBits(bits, formats.bf16, 'nearest-even', 'ieee'), formats.bf16));
  const grids = (bits: Uint32Array): AmaxGrids => new AmaxGrids(bits, rows, columns);
  const sources = {
    own: grids(values),
    unscaled: grids(unscaled),
    bf16: grids(bf16),
    transposed: grids(turned(values, rows, columns)),
  };
  return quantizeProblem(spec.to, originOf(sources), checkQuantized(spec.to, rows, columns, actual));
}

const isZero = (bits: Uint32Array): boolean => bits.every((word) => (word & 0x7fffffff) === 0);

/** A matrix read as [columns, rows]. */
function turned(bits: Uint32Array, rows: number, columns: number): Uint32Array {
  return bits.map((_, i) => bits[(i % columns) * rows + Math.floor(i / columns)]!);
}
