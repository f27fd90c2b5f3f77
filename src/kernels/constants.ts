import { bitsOf } from '../numerics/f32.ts';
import type { Format, FormatName, Overflow, Rounding, Specials } from '../numerics/formats.ts';
import { formats, roundings } from '../numerics/formats.ts';
import { largestExponent, powerOfTwoRecipes } from '../numerics/scale.ts';
import { type ScaleType, type Scheme, scaleRecipes } from '../numerics/scheme.ts';

/** Compile-time constants of a shader. */
export type Constants = Readonly<Record<string, number>>;

/** Numbers of the enumerations, in the order of the constants in shaders/numerics (`format.wgsl`, `encode.wgsl`, `scale.wgsl`). */
const specials: readonly Specials[] = ['ieee', 'fn', 'finite', 'fnuz', 'scale'];
const overflows: readonly Overflow[] = ['saturate', 'ieee'];
const scaleTypes: readonly ScaleType[] = ['f32', 'e8m0', 'e4m3'];
const noCode = 0xffffffff;

/** Number of a rounding mode in WGSL. */
export const roundingNumber = (rounding: Rounding): number => roundings.indexOf(rounding);

/** Number of an overflow rule in WGSL. */
export const overflowNumber = (overflow: Overflow): number => overflows.indexOf(overflow);

/** The fields of a format in the order of WGSL's struct Format. */
export function formatFields(format: Format): readonly number[] {
  const code = (value: number): number => (value < 0 ? noCode : value);
  return [
    format.bits,
    format.exponentBits,
    format.mantissaBits,
    format.bias,
    specials.indexOf(format.specials),
    format.maxCode,
    code(format.nanCode),
    code(format.infCode),
  ];
}

/** A format as a uniform: the eight words of WGSL's struct Format. */
export const formatUniforms = (name: FormatName): readonly number[] =>
  formatFields(formats[name]).map((field) => field >>> 0);

const fieldNames = [
  'BITS',
  'EXPONENT_BITS',
  'MANTISSA_BITS',
  'BIAS',
  'SPECIALS',
  'MAX_CODE',
  'NAN_CODE',
  'INF_CODE',
] as const;

/** `PREFIX_BITS`, `PREFIX_BIAS` ...: the format that a shader builds as `PREFIX`. */
export function formatConstants(prefix: string, name: FormatName): Constants {
  const fields = formatFields(formats[name]);
  return {
    ...Object.fromEntries(fieldNames.map((field, i) => [`${prefix}_${field}`, fields[i]!])),
    // Lanes of a code in a u32 word: 2^shift of them.
    [`${prefix}_LANE_SHIFT`]: laneShift(name),
  };
}

/** log2 of the codes of a format that a u32 word holds: 2 up to 8 bits, 1 up to 16, else 0. */
export function laneShift(name: FormatName): number {
  const { bits } = formats[name];
  return bits <= 8 ? 2 : bits <= 16 ? 1 : 0;
}

/**
 * Elements from which a kernel of its own is worth compiling for a format: a software adapter takes a tenth of a second to compile one, and these elements
 * cost it some ten milliseconds more where the format comes in a uniform.
 */
const manyElements = 2 ** 21;

/** What a dispatch gets whose shader knows the format of its result by output_format.wgsl. */
export function outputFormat(
  name: FormatName,
  elements: number,
): { readonly constants: Constants; readonly substitutes: Readonly<Record<string, string>> } {
  if (elements < manyElements) return { constants: {}, substitutes: {} };
  return {
    constants: formatConstants('OUTPUT', name),
    substitutes: { 'kernels/output_format': 'kernels/output_format_fixed' },
  };
}

/** The rule by which a scheme makes scales: WGSL's struct ScaleRule, padded to the eight words that it takes in a uniform. */
export function scaleRule(scheme: Scheme): readonly number[] {
  const format = formats[scheme.format];
  return [
    scaleRecipes.indexOf(scheme.scale.recipe),
    scaleTypes.indexOf(scheme.scale.type),
    bitsOf(scheme.scale.amaxFloor),
    bitsOf(format.max),
    bitsOf(1 / format.max),
    largestExponent[scheme.format] ?? 0,
    format.mantissaBits,
    0,
  ];
}

/** Number of what a scheme's values do with the factor of their tile: numerics/factor.wgsl. */
export function factorNumber({ scale: { recipe } }: Scheme): number {
  if (powerOfTwoRecipes.has(recipe)) return 2;
  return recipe === 'divide' || recipe === 'v32' ? 1 : 0;
}
