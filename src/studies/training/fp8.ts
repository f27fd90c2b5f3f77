import { quantizeFast } from '../../checkpoint/fast-quantize.ts';
import { tilingOf } from '../../checkpoint/slices.ts';
import { type Quantized, quantizeWords } from '../../kernels/quantize/reference.ts';
import { decodeTable } from '../../numerics/decode-bits.ts';
import { formats } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { dtypeOfFormat, type Tensor } from '../../tensors/tensor.ts';
import { addInto, type Matrix, roundToBf16, transpose, transposeInto } from './matrix.ts';
import { type Kept, type Parameter, type Precision, plainPrecision } from './precision.ts';
import type { Recipe } from './recipe.ts';

/** An operand of a product: codes [rows, k] and row-major f32 scales, with their scheme. */
export interface Operand extends Quantized {
  readonly scheme: Scheme;
}

/** A [m, k] * B [n, k]^T of quantized operands, in f32: where the products of a recipe are computed. */
export type ScaledProduct = (a: Operand, b: Operand) => Promise<Matrix>;

/** f32 bits of a matrix, without a copy. */
const words = ({ values }: Matrix): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Quantizes a matrix of f32 values. */
export function quantizeMatrix(x: Matrix, scheme: Scheme): Operand {
  const { rows, columns } = x;
  if (scheme.format === 'e5m6') return { ...quantizeWords(words(x), rows, columns, scheme), scheme };
  const shape = [rows, columns] as const;
  const tiling = tilingOf(rows, columns, scheme.tile);
  const { codes, scales } = quantizeFast({ dtype: 'F32', shape, codes: words(x) }, scheme, tiling);
  return {
    codes: { dtype: dtypeOfFormat[scheme.format], shape, codes },
    scales: { dtype: 'F32', shape: [tiling.rows, tiling.columns], codes: scales },
    scheme,
  };
}

/** The values of an operand: fl(code * scale). */
export function dequantizeMatrix({ codes, scales, scheme }: Operand): Matrix {
  const [rows, columns] = codes.shape as [number, number];
  const { tileRows, tileColumns, columns: tilesAcross } = tilingOf(rows, columns, scheme.tile);
  const table = new Float32Array(decodeTable(formats[scheme.format]).buffer);
  const factors = new Float32Array(scales.codes.buffer, scales.codes.byteOffset, scales.codes.length);
  const lanes = codes.codes;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * columns;
    let tile = Math.floor(row / tileRows) * tilesAcross;
    for (let left = row * columns; left < end; left += tileColumns) {
      const factor = factors[tile++]!;
      const right = Math.min(left + tileColumns, end);
      for (let i = left; i < right; i++) values[i] = table[lanes[i]!]! * factor;
    }
  }
  return { rows, columns, values };
}

/** A weight in both directions: [n, k] for fprop and [k, n] for dgrad. */
interface QuantizedWeight {
  readonly forward: Operand;
  readonly backward: Operand;
}

/** A weight under a scheme. Square tiles are turned with their codes; for others the turned weight is quantized by itself. */
function quantizeWeight(w: Matrix, scheme: Scheme): QuantizedWeight {
  const forward = quantizeMatrix(w, scheme);
  const square = scheme.tile[0] === scheme.tile[1];
  return { forward, backward: square ? turned(forward) : quantizeMatrix(transpose(w), scheme) };
}

function turned({ codes, scales, scheme }: Operand): Operand {
  const turn = (tensor: Tensor): Tensor => {
    const [rows, columns] = tensor.shape as [number, number];
    return {
      ...tensor,
      shape: [columns, rows],
      codes: transposeInto(tensor.codes.slice(), tensor.codes, rows, columns),
    };
  };
  return { codes: turn(codes), scales: turn(scales), scheme };
}

/**
 * The FP8 sites by a recipe, all else as in bf16. fprop and dgrad give bf16, wgrad f32 (V3 section 3.3.1).
 */
export function fp8Precision(recipe: Recipe, product: ScaledProduct): Precision {
  const bf16 = plainPrecision('bf16');
  const weights = new Map<Parameter, QuantizedWeight>();
  const quantized = (w: Parameter): QuantizedWeight => {
    let found = weights.get(w);
    if (found === undefined) {
      found = quantizeWeight(w, recipe.weight);
      weights.set(w, found);
    }
    return found;
  };
  const keep =
    (x: Operand): Kept =>
    () =>
      dequantizeMatrix(x);
  /** A matrix [tokens, columns] with its tokens along the sum. */
  const alongTokens = (x: Matrix): Operand => quantizeMatrix(transpose(x), recipe.wgrad);
  return {
    ...bf16,
    async fprop(site, x, w) {
      const operand = quantizeMatrix(x, recipe.activation[site]);
      const other = recipe.kept[site];
      const kept = keep(other === undefined ? operand : quantizeMatrix(x, other));
      return { y: roundToBf16(await product(operand, quantized(w).forward)), kept };
    },
    keep: (x) => keep(quantizeMatrix(x, recipe.swiglu)),
    async backward(site, dy, w, x) {
      const gradient = quantizeMatrix(dy, recipe.gradient[site]);
      const tokensFirst = recipe.dispatched.has(site) ? dequantizeMatrix(gradient) : dy;
      const [dx, dw] = await Promise.all([
        product(gradient, quantized(w).backward),
        product(alongTokens(tokensFirst), alongTokens(x())),
      ]);
      addInto(w.gradient, dw.values);
      return roundToBf16(dx);
    },
    weightsChanged() {
      weights.clear();
      bf16.weightsChanged();
    },
  };
}
