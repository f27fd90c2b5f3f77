import { decodeBits } from '../numerics/codec.ts';
import { fromBits } from '../numerics/f32.ts';
import { type Format, formats } from '../numerics/formats.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { formatOfTensor } from './quantize/reference.ts';

/** Largest difference of an f32 result over the largest value: some hundred times that of a product summed in single precision. */
const tolerance = 2 ** -10;

/** Share of a narrower format's elements that may be one step off: a result near the middle of two codes goes to the other one so seldom. */
const stepsAside = 0.01;

/**
 * Why results of the fast tier are not those of the reference but for the rounding of plain f32, or undefined where they are: f32 within 2^-10 of
 * the largest value; narrower formats within one step, in at most one element of a hundred; powers of two and integers equal. NaN and Inf stand in the same places.
 * For operands of ordinary values, few of them next to where a rounding or a scale changes.
 */
export function farFrom(got: Tensors, want: Tensors): string | undefined {
  for (const [name, tensor] of Object.entries(want)) {
    const mine = got[name];
    const why =
      mine?.dtype !== tensor.dtype || mine.codes.length !== tensor.codes.length
        ? 'is of another kind'
        : far(mine, tensor);
    if (why !== undefined) return `${name} ${why}`;
  }
  return undefined;
}

function far(got: Tensor, want: Tensor): string | undefined {
  if (want.dtype === 'F32') {
    const error = largestError(got, want);
    return error <= tolerance ? undefined : `differs from the reference by ${error} of its largest value`;
  }
  let differing = 0;
  for (const [i, code] of want.codes.entries()) differing += code === got.codes[i] ? 0 : 1;
  if (differing === 0) return undefined;
  const text = `differs from the reference in ${differing} of ${want.codes.length} elements`;
  if (want.dtype.startsWith('I') || want.dtype.startsWith('U') || want.dtype === 'BOOL') return text;
  const format = formats[formatOfTensor(want)];
  if (differing > stepsAside * want.codes.length || format.mantissaBits === 0) return text;
  const beyond = want.codes.findIndex((code, i) => !withinStep(code, got.codes[i]!, format));
  return beyond < 0 ? undefined : `${text}, at ${beyond} by more than a step`;
}

/** Codes of the same sort, and values no further apart than the format's codes where the larger one lies. */
function withinStep(a: number, b: number, format: Format): boolean {
  const [x, y] = [fromBits(decodeBits(a, format)), fromBits(decodeBits(b, format))];
  if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return true;
  const larger = Math.max(Math.abs(x), Math.abs(y));
  const exponent = Math.max(Math.floor(Math.log2(larger)), 1 - format.bias);
  return larger < Infinity && Math.abs(x - y) <= 2 ** (exponent - format.mantissaBits);
}

/** Largest difference of two f32 tensors over the largest finite value; infinite where one alone has a NaN or an Inf, or they have different ones. */
export function largestError(got: Tensor, want: Tensor): number {
  const [mine, theirs] = [got, want].map(
    ({ codes }) => new Float32Array(codes.buffer, codes.byteOffset, codes.length),
  ) as [Float32Array, Float32Array];
  let [largest, most] = [0, 0];
  for (const [i, value] of theirs.entries()) {
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
    if (Object.is(mine[i], value) || mine[i] === value) continue;
    const error = Math.abs(mine[i]! - value);
    most = Math.max(most, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return most === 0 ? 0 : most / largest;
}
