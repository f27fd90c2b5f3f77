import { decodeBits } from '../numerics/decode-bits.ts';
import { encodeBits } from '../numerics/encode-bits.ts';
import { bitsOf, divF32, fromBits, mulF32 } from '../numerics/f32.ts';
import type { Format } from '../numerics/formats.ts';

/**
 * A format of x exponent and y mantissa bits, 4 <= 1 + x + y <= 16, with e4m3's conventions: subnormals, no Inf, NaN the all-ones code alone.
 * A study may ask what `e3m4` would do without a place for it among the formats that kernels know.
 */
export function smallFormat(exponentBits: number, mantissaBits: number): Format {
  const bias = 2 ** (exponentBits - 1) - 1;
  const nanCode = 2 ** (exponentBits + mantissaBits) - 1;
  const maxCode = nanCode - 1;
  const hidden = 2 ** mantissaBits;
  const exponent = Math.floor(maxCode / hidden) - bias;
  return {
    name: `e${exponentBits}m${mantissaBits}` as Format['name'],
    bits: 1 + exponentBits + mantissaBits,
    signBits: 1,
    exponentBits,
    mantissaBits,
    bias,
    specials: 'fn',
    maxCode,
    max: 2 ** exponent * (1 + (maxCode % hidden) / hidden),
    minNormal: 2 ** (1 - bias),
    minSubnormal: 2 ** (1 - bias - mantissaBits),
    nanCode,
    infCode: -1,
  };
}

/** Rounds the values of a tile as a format does, and gives them back. */
export interface TileCodec {
  /** Bits of a code. */
  readonly bits: number;
  /** Bits that a tile takes beside its codes. */
  readonly tileBits: number;
  /** Writes what becomes of values[first .. end) to the same places of `out`. */
  roundTrip(values: Float32Array, first: number, end: number, out: Float32Array): void;
}

function largest(values: Float32Array, first: number, end: number): number {
  let amax = 0;
  for (let i = first; i < end; i++) amax = Math.max(amax, Math.abs(values[i]!));
  return amax;
}

/** Codes of a format with the tile's scale amax / max in f32, as recipe `divide` of docs/numerics.md without a floor; nearest even. */
export function scaledCodec(format: Format): TileCodec {
  return {
    bits: format.bits,
    tileBits: 32,
    roundTrip(values, first, end, out) {
      const scale = divF32(largest(values, first, end), format.max);
      for (let i = first; i < end; i++) {
        if (scale === 0) {
          out[i] = 0;
          continue;
        }
        const code = encodeBits(bitsOf(divF32(values[i]!, scale)), format, 'nearest-even', 'saturate');
        out[i] = mulF32(fromBits(decodeBits(code, format)), scale);
      }
    },
  };
}

/** Magnitudes of a tile reach at most this many binades down: LogFMT's range is then about that of E5. */
const logRange = 32;

/**
 * LogFMT-n ("Insights into DeepSeek-V3", 2505.09343, 3.2): sign, and n - 1 bits of the logarithm of the magnitude, in 2^(n-1) - 2 equal steps
 * from the tile's least magnitude (at most 2^32 below its largest) to its largest; code 0 is zero. Of the two neighbours the linearly nearer one
 * is taken. A tile takes two f32 beside its codes. log2 and exp2 are the engine's: the last bits may differ between engines.
 */
export function logCodec(bits: number): TileCodec {
  const steps = 2 ** (bits - 1) - 2;
  return {
    bits,
    tileBits: 64,
    roundTrip(values, first, end, out) {
      const high = Math.log2(largest(values, first, end));
      const low = Math.max(leastLog(values, first, end), high - logRange);
      const step = (high - low) / steps;
      for (let i = first; i < end; i++) {
        const size = Math.abs(values[i]!);
        const rounded = size === 0 ? 0 : nearestLog(size, low, step, steps);
        out[i] = values[i]! < 0 ? -rounded : rounded;
      }
    },
  };
}

function leastLog(values: Float32Array, first: number, end: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = first; i < end; i++) if (values[i] !== 0) least = Math.min(least, Math.abs(values[i]!));
  return Math.log2(least);
}

/** The magnitude of the code nearest to `size`, zero among them. */
function nearestLog(size: number, low: number, step: number, steps: number): number {
  const below = step === 0 ? 0 : Math.min(Math.max(Math.floor((Math.log2(size) - low) / step), 0), steps);
  const value = (code: number): number => 2 ** (low + code * step);
  const lower = value(below);
  if (size < lower) return size < lower / 2 ? 0 : lower;
  const upper = value(Math.min(below + 1, steps));
  return size - lower <= upper - size ? lower : upper;
}
