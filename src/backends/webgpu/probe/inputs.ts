import { philoxWords } from '../../../numerics/philox.ts';

/** Generated inputs: three lanes of u32 bits a sample, a function of the index alone. */
export type InputKind =
  /** Any sign, magnitudes 2^-30 to 2^29. */
  | 'wide'
  /** Any sign, magnitudes 1/4 to 4: sums cancel, so that a second rounding shows. */
  | 'near-one'
  /** Magnitudes of subnormals, any sign. */
  | 'subnormal'
  /** x in [-80, 80]. */
  | 'exponent'
  /** x, y in [-1, 1]. */
  | 'unit'
  /** x in [-pi, pi]. */
  | 'angle'
  /** Any 32 bits. */
  | 'bits'
  /** The sample's index: 0, 1, 2 ... */
  | 'index';

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

function bitsOfValue(value: number): number {
  scratch[0] = value;
  return scratchBits[0]!;
}

const signAndFraction = (word: number) => word & 0x807fffff;
const signed = (word: number) => (word | 0) / 2 ** 31;

/** Turns a random word, and a second one for the exponent, into the lane of a kind. */
const lanes: Readonly<Record<InputKind, (word: number, other: number, index: number) => number>> = {
  wide: (word, other) => signAndFraction(word) | ((97 + (other % 60)) << 23),
  'near-one': (word, other) => signAndFraction(word) | ((125 + (other % 4)) << 23),
  subnormal: (word) => signAndFraction(word),
  exponent: (word) => bitsOfValue(80 * signed(word)),
  unit: (word) => bitsOfValue(signed(word)),
  angle: (word) => bitsOfValue(Math.PI * signed(word)),
  bits: (word) => word,
  index: (_word, _other, index) => index,
};

/** The three input arrays of a kind. */
export function generateLanes(kind: InputKind, samples: number): [Uint32Array, Uint32Array, Uint32Array] {
  const make = (stream: number) => {
    const words = new Uint32Array(samples);
    const others = new Uint32Array(samples);
    philoxWords(1, 2 * stream, 0, words);
    philoxWords(1, 2 * stream + 1, 0, others);
    return words.map((word, i) => lanes[kind](word, others[i]!, i));
  };
  return [make(16), make(17), make(18)];
}

/** Listed lanes as three arrays; missing ones are 0. */
export function listedLanes(list: readonly (readonly number[])[]): [Uint32Array, Uint32Array, Uint32Array] {
  const lane = (at: number) => Uint32Array.from(list, (sample) => sample[at] ?? 0);
  return [lane(0), lane(1), lane(2)];
}
