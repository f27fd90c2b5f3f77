import { encoder } from '../../numerics/codec.ts';
import { decodeTable } from '../../numerics/decode-bits.ts';
import { encodeBits } from '../../numerics/encode-bits.ts';
import { bitsOf, divF32, fromBits, mulF32 } from '../../numerics/f32.ts';
import { type Format, formats, type Rounding } from '../../numerics/formats.ts';
import { philoxWords } from '../../numerics/philox.ts';

/** How a vector of optimizer state is kept between steps: rounds it in place. `random` has a word an element for stochastic rounding. */
export type Store = (values: Float64Array, random: Uint32Array) => void;

/** Elements that share a scale where the format needs one. */
const tile = 128;

/** Rounds one value to a format; `random` is its word, for stochastic rounding alone. */
type Rounder = (value: number, random: number) => number;

function rounder(format: Format, rounding: Rounding): Rounder {
  if (format.name === 'f32') return Math.fround;
  const values = decodeTable(format);
  if (rounding === 'stochastic') {
    return (value, random) => fromBits(values[encodeBits(bitsOf(value), format, rounding, 'saturate', random)]!);
  }
  const encode = encoder(format, rounding, 'saturate');
  return (value) => fromBits(values[encode(bitsOf(value))]!);
}

/** f32, bf16 and other formats with range enough: each value by itself. */
export function storeAs(format: Format, rounding: Rounding): Store {
  const round = rounder(format, rounding);
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = round(values[i]!, random[i]!);
  };
}

/** Formats of 8 bits: 128 values share the f32 scale amax / max. */
export function storeTiled(format: Format, rounding: Rounding): Store {
  const round = rounder(format, rounding);
  return (values, random) => {
    for (let first = 0; first < values.length; first += tile) {
      const end = Math.min(first + tile, values.length);
      const scale = divF32(largest(values, first, end), format.max);
      for (let i = first; i < end; i++) {
        const scaled = scale === 0 ? 0 : divF32(Math.fround(values[i]!), scale);
        values[i] = mulF32(round(scaled, random[i]!), scale);
      }
    }
  };
}

function largest(values: Float64Array, first: number, end: number): number {
  let amax = 0;
  for (let i = first; i < end; i++) amax = Math.max(amax, Math.abs(Math.fround(values[i]!)));
  return amax;
}

/** Keeps the square root instead: half as many binades for the second moment, which squares the gradient. */
export function storeRoot(store: Store): Store {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = Math.sqrt(values[i]!);
    store(values, random);
    for (let i = 0; i < values.length; i++) values[i] = values[i]! ** 2;
  };
}

/** Philox words for a step's stochastic rounding of one vector: element i of step t has index t * length + i of the stream. */
export function stepWords(seed: number, stream: number, step: number, out: Uint32Array): void {
  philoxWords(seed, stream, step * out.length, out);
}

const nearest = 'nearest-even';

/** What an arm keeps, and how. */
export interface Storage {
  readonly first: Store;
  readonly second: Store;
  readonly weights: Store;
  /** For tables: what stands where. */
  readonly text: string;
  /** Whether stochastic rounding takes part. */
  readonly random: boolean;
}

const f32 = storeAs(formats.f32, nearest);
const bf16 = storeAs(formats.bf16, nearest);
const bf16Random = storeAs(formats.bf16, 'stochastic');
const e4m3 = storeTiled(formats.e4m3, nearest);
const e4m3Random = storeTiled(formats.e4m3, 'stochastic');
const e5m2 = storeTiled(formats.e5m2, nearest);

/** Ways to keep AdamW's state. */
export const storages = {
  f32: { first: f32, second: f32, weights: f32, random: false, text: 'all f32' },
  bf16: { first: bf16, second: bf16, weights: f32, random: false, text: 'moments bf16, as DeepSeek-V3' },
  'bf16 sr': { first: bf16Random, second: bf16Random, weights: f32, random: true, text: 'moments bf16, stochastic' },
  fp8: { first: e4m3, second: e4m3, weights: f32, random: false, text: 'moments e4m3, a scale for 128' },
  'fp8 sr': { first: e4m3Random, second: e4m3Random, weights: f32, random: true, text: 'the same, stochastic' },
  'fp8 e5m2 v': { first: e4m3, second: e5m2, weights: f32, random: false, text: 'first moment e4m3, second e5m2' },
  'fp8 root v': { first: e4m3, second: storeRoot(e4m3), weights: f32, random: false, text: 'e4m3, root of the second' },
  'bf16 weights': { first: f32, second: f32, weights: bf16, random: false, text: 'moments f32, no f32 master weights' },
  'bf16 weights sr': { first: f32, second: f32, weights: bf16Random, random: true, text: 'the same, stochastic' },
} as const satisfies Record<string, Storage>;

/** Names of {@link storages}. */
export type StorageName = keyof typeof storages;
