import { bf16, bitsOf, decode, encode, f32Of, type Small, type Way } from './numbers.ts';

/** What some kernel does with a matrix before its product. */
export interface QuantRule {
  /** Scale (as used later) and how a value is scaled, from a tile's amax after its floor, and before. */
  readonly scale: (amax: number, max: number, raw: number) => { scale: number; apply: (x: number) => number };
  readonly tile: readonly [number, number];
  /** What a tile's amax is raised to. */
  readonly floor: (amax: number) => number;
  readonly format: Small;
  readonly way: Way;
}

const r = Math.fround;
/** Next power of two at or above a positive f32, at or below it, and the nearer of the two by its logarithm. */
const pow2 = {
  up: (x: number): number => (bitsOf(x) & 0x7fffff ? f32Of(((bitsOf(x) >>> 23) + 1) << 23) : x),
  down: (x: number): number => f32Of(bitsOf(x) & 0x7f800000),
  near: (x: number): number => (x / pow2.down(x) > Math.SQRT2 ? 2 : 1) * pow2.down(x),
};

type Scaling = QuantRule['scale'];

/** The projects' quantizers, each as its own source has it. */
export const scalings: Readonly<Record<string, Scaling>> = {
  divide: (amax, max) => {
    const scale = r(amax / max);
    return { scale, apply: (x) => r(x / scale) };
  },
  reciprocal: (amax, max) => {
    const scale = r(amax / max);
    const inverse = r(1 / scale);
    return { scale, apply: (x) => r(x * inverse) };
  },
  'reciprocal-gpu': (amax, max) => {
    const scale = r(amax * r(1 / max));
    const inverse = r(1 / scale);
    return { scale, apply: (x) => r(x * inverse) };
  },
  inverse: (amax, max) => {
    const up = r(max / amax);
    return { scale: r(amax / max), apply: (x) => r(x * up) };
  },
  deepep: (amax, max) => {
    const up = r(max / amax);
    return { scale: r(amax * r(1 / max)), apply: (x) => r(x * up) };
  },
  v32: (amax, max) => {
    const scale = r(amax * r(1 / max));
    return { scale, apply: (x) => r(x / scale) };
  },
  te: (amax, max, raw) => {
    if (raw === 0) return { scale: 1, apply: (x) => x };
    const up = r(max / amax);
    return { scale: r(1 / up), apply: (x) => r(x * up) };
  },
  pow2: (amax, max) => {
    const scale = pow2.up(r(amax / max));
    return { scale, apply: (x) => x / scale };
  },
  'mx-floor': (amax, max) => {
    const emax = Math.floor(Math.log2(max));
    const scale = 2 ** (Math.floor(Math.log2(amax)) - emax);
    return { scale, apply: (x) => x / scale };
  },
  'divide-then-pow2-up': (amax, max) => {
    const scale = r(amax / max);
    return { scale: pow2.up(scale), apply: (x) => r(x / scale) };
  },
  'inverse-stored': (amax, max) => {
    const up = r(max / amax);
    return { scale: up, apply: (x) => r(x * up) };
  },
  'inverse-stored-divide': (amax, max) => {
    const scale = r(amax / max);
    return { scale: r(1 / scale), apply: (x) => r(x / scale) };
  },
  'pow2-down': (amax, max) => {
    const scale = pow2.down(r(amax / max));
    return { scale, apply: (x) => x / scale };
  },
  'pow2-nearest': (amax, max) => {
    const scale = pow2.near(r(amax / max));
    return { scale, apply: (x) => x / scale };
  },
  'divide-then-pow2-down': (amax, max) => {
    const scale = r(amax / max);
    return { scale: pow2.down(scale), apply: (x) => r(x / scale) };
  },
  'multiply-then-pow2-up': (amax, max) => {
    const up = r(max / amax);
    return { scale: pow2.up(r(amax / max)), apply: (x) => r(x * up) };
  },
  'bf16-scale-after': (amax, max) => {
    const scale = r(amax / max);
    return { scale: bf16(scale), apply: (x) => r(x / scale) };
  },
  'bf16-arithmetic': (amax, max) => {
    const scale = bf16(r(amax / max));
    return { scale, apply: (x) => bf16(r(x / scale)) };
  },
  'bf16-scale': (amax, max) => {
    const scale = bf16(r(amax / max));
    return { scale, apply: (x) => r(x / scale) };
  },
};

/** A quantized matrix: codes, their values and the exponents of their products, and the scale of every tile. */
export interface Matrix {
  readonly rows: number;
  readonly k: number;
  readonly code: Int32Array;
  readonly value: Float64Array;
  readonly exponent: Int32Array;
  readonly scales: Float64Array;
  /** Rows and columns of a tile; tiles down and across. */
  readonly tile: readonly [number, number];
  readonly down: number;
  readonly across: number;
}

/** Quantizes x [rows, k]. */
export function quantize(x: Float64Array, rows: number, k: number, rule: QuantRule): Matrix {
  const tile = [rule.tile[0] || rows, rule.tile[1] || k] as const;
  const across = Math.ceil(k / tile[1]);
  const down = Math.ceil(rows / tile[0]);
  const code = new Int32Array(rows * k);
  const scales = new Float64Array(down * across);
  for (let i = 0; i < down; i++) {
    for (let j = 0; j < across; j++) {
      let amax = 0;
      const visit = (action: (at: number) => void): void => {
        for (let row = i * tile[0]; row < Math.min(rows, (i + 1) * tile[0]); row++)
          for (let c = j * tile[1]; c < Math.min(k, (j + 1) * tile[1]); c++) action(row * k + c);
      };
      visit((at) => {
        amax = Math.max(amax, Math.abs(x[at]!));
      });
      const { scale, apply } = rule.scale(rule.floor(amax), rule.format.max, amax);
      scales[i * across + j] = scale;
      visit((at) => {
        code[at] = encode(apply(x[at]!), rule.format, rule.way, rule.format.signBit);
      });
    }
  }
  const value = Float64Array.from(code, (it) => decode(it, rule.format, rule.format.signBit));
  const exponent = code.map((it) => {
    const field = (it & (rule.format.signBit - 1)) >> rule.format.mantissaBits;
    return Math.max(field, 1) - rule.format.bias;
  });
  return { rows, k, code, value, exponent, scales, tile, down, across };
}
