/**
 * Correctly rounded f32 arithmetic in JavaScript numbers: nearest even, subnormals kept, NaN canonical in bits.
 * Numbers here hold f32 values; each operation is one rounding of the exact result.
 */

const view32 = new Float32Array(1);
const bits32 = new Uint32Array(view32.buffer);
const view64 = new Float64Array(1);
const halves64 = new Uint32Array(view64.buffer);
// Which half of a double holds its low 32 bits is the platform's byte order.
view64[0] = 1;
const LOW = halves64[0] === 0 ? 0 : 1;
const HIGH = 1 - LOW;

/** Bits of the canonical f32 NaN: every operation that gives NaN gives this one, as CUDA does. */
export const NAN_BITS = 0x7fffffff;

/** Bits of f32 +Inf; a magnitude above it is NaN. */
export const INF_BITS = 0x7f800000;

/** The f32 nearest to x, ties to even. */
export const roundToF32 = Math.fround;

/** Bits (u32) of x rounded to f32; NaN gives 0x7FFFFFFF. */
export function bitsOf(x: number): number {
  if (Number.isNaN(x)) return NAN_BITS;
  view32[0] = x;
  return bits32[0]!;
}

/** The value of f32 bits (u32). */
export function fromBits(bits: number): number {
  bits32[0] = bits;
  return view32[0]!;
}

/** fl(a + b). A double has more than 2 * 24 + 2 bits, so rounding through it is innocuous (Figueroa 1995); the same for mul and div. */
export function addF32(a: number, b: number): number {
  return Math.fround(a + b);
}

/** fl(a * b): the product of two f32 is exact in a double. */
export function mulF32(a: number, b: number): number {
  return Math.fround(a * b);
}

/** fl(a / b), subnormal quotients included: no quotient of two f32 lies within 2^-53 of a midpoint without being it. */
export function divF32(a: number, b: number): number {
  return Math.fround(a / b);
}

/** fl(a * b + c), one rounding: the exact product plus c rounded to odd in a double, then to f32 (Boldo and Melquiond 2008). */
export function fmaF32(a: number, b: number, c: number): number {
  return Math.fround(addToOdd(a * b, c));
}

/** a + b rounded to odd in a double: truncated, the last bit set where anything was cut off. */
function addToOdd(a: number, b: number): number {
  const sum = a + b;
  const tail = sum - a;
  const error = a - (sum - tail) + (b - tail);
  // An Inf or NaN sum makes the error NaN; it and exact sums pass.
  if (error === 0 || Number.isNaN(error)) return sum;
  view64[0] = sum;
  if ((halves64[LOW]! & 1) === 1) return sum;
  if (error > 0 === sum > 0) {
    halves64[LOW]! |= 1;
  } else {
    if (halves64[LOW] === 0) halves64[HIGH]! -= 1;
    halves64[LOW]! -= 1;
  }
  return view64[0]!;
}

/** {@link addF32} on bits (u32 in, u32 out, canonical NaN). */
export function addBits(a: number, b: number): number {
  return bitsOf(fromBits(a) + fromBits(b));
}

/** {@link mulF32} on bits. */
export function mulBits(a: number, b: number): number {
  return bitsOf(fromBits(a) * fromBits(b));
}

/** {@link divF32} on bits. */
export function divBits(a: number, b: number): number {
  return bitsOf(fromBits(a) / fromBits(b));
}

/** {@link fmaF32} on bits. */
export function fmaBits(a: number, b: number, c: number): number {
  return bitsOf(addToOdd(fromBits(a) * fromBits(b), fromBits(c)));
}
