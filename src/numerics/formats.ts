/** Names of the number formats. */
export type FormatName =
  | 'e4m3'
  | 'e5m2'
  | 'e8m0'
  | 'e2m1'
  | 'e2m3'
  | 'e3m2'
  | 'e5m6'
  | 'e4m3fnuz'
  | 'e5m2fnuz'
  | 'bf16'
  | 'f16'
  | 'f32';

/**
 * How a format uses its top codes:
 * `ieee`: all-ones exponent is Inf (mantissa 0) or NaN; `fn`: finite but for the all-ones code, which is NaN (e4m3);
 * `finite`: every code is a finite number (FP6, FP4); `fnuz`: no Inf, no -0, the code of -0 is NaN;
 * `scale`: unsigned power of two, 0xFF is NaN, no zero (e8m0).
 */
export type Specials = 'ieee' | 'fn' | 'finite' | 'fnuz' | 'scale';

/** A number format as data. Value of a normal code: (-1)^s * 2^(e - bias) * (1 + m / 2^mantissaBits). */
export interface Format {
  readonly name: FormatName;
  /** Width of a code in bits. */
  readonly bits: number;
  readonly signBits: 0 | 1;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly specials: Specials;
  /** Code of the largest finite magnitude (sign clear). */
  readonly maxCode: number;
  /** Largest finite value. */
  readonly max: number;
  /** Smallest normal value. */
  readonly minNormal: number;
  /** Smallest positive value (subnormal where the format has them). */
  readonly minSubnormal: number;
  /** The canonical NaN code (sign clear), or -1 where the format has none. */
  readonly nanCode: number;
  /** The code of +Inf, or -1 where the format has none. */
  readonly infCode: number;
}

const ieee = (name: FormatName, exponentBits: number, mantissaBits: number): Format => {
  const bias = 2 ** (exponentBits - 1) - 1;
  const infCode = (2 ** exponentBits - 1) * 2 ** mantissaBits;
  return {
    name,
    bits: 1 + exponentBits + mantissaBits,
    signBits: 1,
    exponentBits,
    mantissaBits,
    bias,
    specials: 'ieee',
    maxCode: infCode - 1,
    max: 2 ** bias * (2 - 2 ** -mantissaBits),
    minNormal: 2 ** (1 - bias),
    minSubnormal: 2 ** (1 - bias - mantissaBits),
    nanCode: 2 ** (exponentBits + mantissaBits) - 1,
    infCode,
  };
};

const fewSpecials = (
  name: FormatName,
  exponentBits: number,
  mantissaBits: number,
  bias: number,
  specials: Specials,
): Format => {
  const top = 2 ** (exponentBits + mantissaBits) - 1;
  const maxCode = specials === 'fn' ? top - 1 : top;
  const exponent = Math.floor(maxCode / 2 ** mantissaBits) - bias;
  const fraction = (maxCode % 2 ** mantissaBits) / 2 ** mantissaBits;
  return {
    name,
    bits: 1 + exponentBits + mantissaBits,
    signBits: 1,
    exponentBits,
    mantissaBits,
    bias,
    specials,
    maxCode,
    max: 2 ** exponent * (1 + fraction),
    minNormal: 2 ** (1 - bias),
    minSubnormal: 2 ** (1 - bias - mantissaBits),
    nanCode: specials === 'fn' ? top : specials === 'fnuz' ? top + 1 : -1,
    infCode: -1,
  };
};

/**
 * Every format the toolkit knows. Sources: OCP OFP8 1.0 (e4m3, e5m2), OCP MX 1.0 (e8m0, e2m1, e2m3, e3m2), IEEE 754 (f16, f32),
 * DeepSeek-V3 report section 3.3.3 and TileKernels (e5m6), AMD CDNA3 (the fnuz pair, decode only).
 */
export const formats: Readonly<Record<FormatName, Format>> = {
  e4m3: fewSpecials('e4m3', 4, 3, 7, 'fn'),
  e5m2: ieee('e5m2', 5, 2),
  e8m0: {
    name: 'e8m0',
    bits: 8,
    signBits: 0,
    exponentBits: 8,
    mantissaBits: 0,
    bias: 127,
    specials: 'scale',
    maxCode: 0xfe,
    max: 2 ** 127,
    minNormal: 2 ** -127,
    minSubnormal: 2 ** -127,
    nanCode: 0xff,
    infCode: -1,
  },
  e2m1: fewSpecials('e2m1', 2, 1, 1, 'finite'),
  e2m3: fewSpecials('e2m3', 2, 3, 1, 'finite'),
  e3m2: fewSpecials('e3m2', 3, 2, 3, 'finite'),
  e5m6: ieee('e5m6', 5, 6),
  e4m3fnuz: fewSpecials('e4m3fnuz', 4, 3, 8, 'fnuz'),
  e5m2fnuz: fewSpecials('e5m2fnuz', 5, 2, 16, 'fnuz'),
  bf16: ieee('bf16', 8, 7),
  f16: ieee('f16', 5, 10),
  f32: ieee('f32', 8, 23),
};

/** How a value between two codes is rounded. `stochastic` needs 32 random bits an element. WGSL knows them by their place. */
export const roundings = [
  'nearest-even',
  'toward-zero',
  'toward-positive',
  'toward-negative',
  'nearest-away',
  'to-odd',
  'stochastic',
] as const;

export type Rounding = (typeof roundings)[number];

/**
 * What becomes of values past the largest finite code. `saturate` (CUDA SATFINITE): the largest finite code, Inf too;
 * NaN gives the canonical NaN code (sign dropped), or the largest code where the format has no NaN.
 * `ieee`: Inf where the format has it, else NaN; refused for formats with neither.
 */
export type Overflow = 'saturate' | 'ieee';
