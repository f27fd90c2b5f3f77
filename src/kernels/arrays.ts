import { inputError } from '../errors.ts';
import type { Arithmetic } from '../numerics/arithmetic.ts';
import { fromBits } from '../numerics/f32.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { checkPromotion } from '../specs/kernels/gemm.ts';
import { type ArithmeticPresetName, arithmeticPresets, type SchemePresetName, schemePreset } from '../specs/presets.ts';
import type { GemmSpec } from '../specs/types.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { dequantizeReference } from './dequantize/reference.ts';
import { gemmReference } from './gemm/reference.ts';
import { type Quantized, quantizeReference } from './quantize/reference.ts';

/** A quantized matrix: codes [rows, columns] and stored scales, with the scheme that made them. */
export interface QuantizedMatrix extends Quantized {
  readonly scheme: Scheme;
}

/** A matrix of f32 values as a tensor (its bits), without a copy. */
function f32Tensor(values: Float32Array, shape: readonly [number, number]): Tensor {
  const [rows, columns] = shape;
  if (values.length !== rows * columns || !(rows > 0) || !(columns > 0)) {
    throw inputError(
      `${values.length} values do not fill [${rows}, ${columns}]`,
      'wrong-shape',
      'shape',
      `give ${values.length} as rows * columns, both at least 1`,
    );
  }
  return { dtype: 'F32', shape, codes: new Uint32Array(values.buffer, values.byteOffset, values.length) };
}

const numbers = (tensor: Tensor): Float32Array => Float32Array.from(tensor.codes, fromBits);

/**
 * Quantizes a row-major matrix of f32 values.
 * @param values rows * columns values
 * @param shape [rows, columns]
 * @param scheme a preset's name or a scheme
 * @example
 * const x = quantize(values, [64, 7168], 'activation-1x128-pow2');
 * x.codes.codes; // Uint8Array of e4m3 codes
 */
export function quantize(
  values: Float32Array,
  shape: readonly [number, number],
  scheme: SchemePresetName | Scheme,
): QuantizedMatrix {
  const resolved = typeof scheme === 'string' ? schemePreset(scheme) : scheme;
  return { ...quantizeReference(f32Tensor(values, shape), resolved), scheme: resolved };
}

/** The values of a quantized matrix, row-major: fl(code * scale) in f32. */
export function dequantize(matrix: QuantizedMatrix): Float32Array {
  return numbers(dequantizeReference(matrix, matrix.scheme, 'f32'));
}

/** How {@link gemm} sums. */
export interface GemmOptions {
  /** A preset's name or an arithmetic. Default `hopper-deepgemm`. */
  readonly arithmetic?: ArithmeticPresetName | Arithmetic;
  /** C [m, n], row-major, added to the product. */
  readonly c?: Float32Array;
}

/**
 * C + A * B^T in f32, row-major [m, n], as the tensor core of `arithmetic` would compute it.
 * @param a A [m, k], quantized
 * @param b B [n, k], quantized
 * @example
 * const d = gemm(quantize(x, [m, k], 'activation-1x128-pow2'), quantize(w, [n, k], 'weight-128x128-pow2'));
 */
export function gemm(a: QuantizedMatrix, b: QuantizedMatrix, options: GemmOptions = {}): Float32Array {
  const [m, k] = a.codes.shape as [number, number];
  const [n, other] = b.codes.shape as [number, number];
  if (k !== other) {
    throw inputError(
      `A has k = ${k} and B has k = ${other}`,
      'wrong-shape',
      'b',
      'give A [m, k] and B [n, k] with the same k',
    );
  }
  const arithmetic = options.arithmetic ?? 'hopper-deepgemm';
  const spec: GemmSpec = {
    fp8lab: 1,
    kernel: 'gemm',
    name: 'gemm',
    description: '',
    large: false,
    shape: { m, n, k },
    a: { scheme: a.scheme },
    b: { scheme: b.scheme },
    arithmetic: typeof arithmetic === 'string' ? arithmeticPresets[arithmetic] : arithmetic,
    output: 'f32',
  };
  checkPromotion(spec, 'gemm');
  return numbers(gemmReference(spec, operandTensors(a, b, options.c && f32Tensor(options.c, [m, n]))));
}

function operandTensors(a: QuantizedMatrix, b: QuantizedMatrix, c: Tensor | undefined): Tensors {
  return {
    a: a.codes,
    a_scales: a.scales,
    ...(a.tensorScale && { a_tensor_scale: a.tensorScale }),
    b: b.codes,
    b_scales: b.scales,
    ...(b.tensorScale && { b_tensor_scale: b.tensorScale }),
    ...(c && { c }),
  };
}
