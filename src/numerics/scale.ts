import { decodeBits, encodeBits, encodeScaledBits } from './codec.ts';
import { bitsOf, divBits, mulBits } from './f32.ts';
import { type Format, formats, type Overflow, type Rounding } from './formats.ts';
import type { ScaleRecipe, Scheme } from './scheme.ts';

const infinityBits = 0x7f800000;
const nanBits = 0x7fffffff;
const largestBits = 0x7f7fffff;
const one = 0x3f800000;

/** Largest exponent of each element format of the MX recipes (OCP MX 1.0, section 5). */
export const largestExponent: Partial<Record<Format['name'], number>> = {
  e5m2: 15,
  e4m3: 8,
  e3m2: 4,
  e2m3: 2,
  e2m1: 2,
};

/**
 * What a tile does to its values before they are encoded. `divide` and `multiply` are one f32 operation with `bits`; `shift` multiplies by
 * 2^exponent without an intermediate rounding; `none` leaves them; `nan` replaces them all.
 */
export type Factor =
  | { readonly kind: 'divide' | 'multiply'; readonly bits: number }
  | { readonly kind: 'shift'; readonly exponent: number }
  | { readonly kind: 'none' | 'nan' };

/** A tile's scale as stored (f32 bits, e8m0 byte or e4m3 code) and the factor that its values take. */
export interface TileScale {
  readonly stored: number;
  readonly factor: Factor;
}

const none: Factor = { kind: 'none' };

/** Recipes whose scales are powers of two: e8m0 can hold them. */
export const powerOfTwoRecipes: ReadonlySet<ScaleRecipe> = new Set<ScaleRecipe>([
  'pow2',
  'mx-floor',
  'mx-ceil',
  'mx-even',
  'mx-rceil',
]);

/**
 * Scale of a tile with the given amax (f32 bits of the largest magnitude). docs/numerics.md, "Quantization", has the operations.
 * `tensorScale` (f32 bits) is the second-level scale of `nvfp4`, from {@link tensorScaleBits}.
 */
export function tileScale(amax: number, scheme: Scheme, tensorScale = one): TileScale {
  const { recipe, type, amaxFloor } = scheme.scale;
  if (recipe === 'unit') return { stored: one, factor: none };
  if (recipe === 'te' && (amax === 0 || amax >= infinityBits)) return { stored: one, factor: none };
  if (amax >= infinityBits || tensorScale === nanBits) return { stored: nanScale(type), factor: { kind: 'nan' } };
  const floored = Math.max(amax, bitsOf(amaxFloor));
  const format = formats[scheme.format];
  if (powerOfTwoRecipes.has(recipe)) {
    const exponent = powerOfTwoExponent(floored, recipe, format);
    const stored = type === 'e8m0' ? exponent + 127 : exponent === -127 ? 0x00400000 : (exponent + 127) << 23;
    return { stored, factor: { kind: 'shift', exponent: -exponent } };
  }
  return recipe === 'nvfp4' ? nvfp4Scale(floored, tensorScale) : divisionScale(floored, recipe, bitsOf(format.max));
}

/** f32 bits of the nvfp4 tensor scale: amax of the whole tensor over 448 * 6; 1 for a tensor of zeros, NaN where amax is not finite. */
export function tensorScaleBits(amax: number): number {
  if (amax >= infinityBits) return nanBits;
  return amax === 0 ? one : divBits(amax, bitsOf(2688));
}

/** f32 bits of the factor that a stored scale dequantizes with. */
export function scaleBits(stored: number, scheme: Scheme, tensorScale = one): number {
  const { type, recipe } = scheme.scale;
  if (type === 'f32') return stored;
  const bits = decodeBits(stored, formats[type]);
  return recipe === 'nvfp4' ? mulBits(bits, tensorScale) : bits;
}

/** Applies a tile's factor to f32 bits and encodes the outcome. */
export function quantizeBits(
  bits: number,
  factor: Factor,
  format: Format,
  rounding: Rounding,
  overflow: Overflow,
  random = 0,
): number {
  switch (factor.kind) {
    case 'divide':
      return encodeBits(divBits(bits, factor.bits), format, rounding, overflow, random);
    case 'multiply':
      return encodeBits(mulBits(bits, factor.bits), format, rounding, overflow, random);
    case 'shift':
      return encodeScaledBits(bits, factor.exponent, format, rounding, overflow, random);
    case 'none':
      return encodeBits(bits, format, rounding, overflow, random);
    case 'nan':
      return encodeBits(nanBits, format, rounding, overflow, random);
  }
}

function nanScale(type: Scheme['scale']['type']): number {
  return type === 'f32' ? nanBits : formats[type].nanCode;
}

/** Stored scale and factor of the recipes that divide. A scale that comes out zero leaves the values as they are (zeros, or next to it). */
function divisionScale(amax: number, recipe: ScaleRecipe, max: number): TileScale {
  const stored = storedQuotient(amax, recipe, max);
  if (stored === 0) return { stored, factor: none };
  switch (recipe) {
    case 'divide':
    case 'v32':
      return { stored, factor: { kind: 'divide', bits: stored } };
    case 'reciprocal':
      return { stored, factor: { kind: 'multiply', bits: divBits(one, stored) } };
    case 'te':
      return { stored, factor: { kind: 'multiply', bits: Math.min(divBits(max, amax), largestBits) } };
    default:
      return { stored, factor: { kind: 'multiply', bits: divBits(max, amax) } };
  }
}

function storedQuotient(amax: number, recipe: ScaleRecipe, max: number): number {
  switch (recipe) {
    case 'deepep':
    case 'v32':
      return mulBits(amax, divBits(one, max));
    case 'te':
      return divBits(one, Math.min(divBits(max, amax), largestBits));
    case 'torchao':
      // f32(max / f64(amax)): the f64 quotient has more than 2 * 24 + 2 bits, so rounding it again gives the f32 quotient.
      return divBits(one, divBits(max, amax));
    default:
      return divBits(amax, max);
  }
}

function nvfp4Scale(amax: number, tensorScale: number): TileScale {
  const e4m3 = formats.e4m3;
  const wanted = divBits(divBits(amax, bitsOf(6)), tensorScale);
  const clamped = Math.min(Math.max(wanted, bitsOf(2 ** -6)), bitsOf(448));
  const stored = encodeBits(clamped, e4m3, 'nearest-even', 'saturate');
  const scale = mulBits(decodeBits(stored, e4m3), tensorScale);
  return { stored, factor: scale === 0 ? none : { kind: 'multiply', bits: divBits(one, scale) } };
}

/** Exponent e of the scale 2^e, -127..127. */
function powerOfTwoExponent(amax: number, recipe: ScaleRecipe, format: Format): number {
  if (recipe === 'pow2') return Math.max(ceilExponent(divBits(amax, bitsOf(format.max))), -126);
  if (recipe === 'mx-rceil') return rceilExponent(mulBits(amax, divBits(one, bitsOf(format.max))));
  const emax = largestExponent[format.name] ?? 0;
  const clamp = (exponent: number): number => Math.min(Math.max(exponent - emax, -127), 127);
  if (recipe === 'mx-ceil') return clamp(ceilExponent(amax));
  const rounded = recipe === 'mx-even' ? amax + 2 ** (22 - format.mantissaBits) : amax;
  return clamp((rounded >>> 23) - 127);
}

/** ceil(log2 x) from the bits of a positive f32; subnormals count as exponent field 0. */
function ceilExponent(bits: number): number {
  return (bits >>> 23) - 127 + ((bits & 0x7fffff) !== 0 ? 1 : 0);
}

/** Rounds up to an e8m0 value as the conversion instruction does: a subnormal up to 2^-127 gives 2^-127. */
function rceilExponent(bits: number): number {
  if (bits < 0x00800000) return bits <= 0x00400000 ? -127 : -126;
  return Math.min(ceilExponent(bits), 127);
}
