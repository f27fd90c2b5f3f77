/**
 * Philox4x32-10 (Salmon et al., SC 2011): the counter-based generator behind every generated input and stochastic rounding.
 * u32 arithmetic only, so that the words are the same in every wing.
 */

/** Streams of the counter; see docs/numerics.md, "Inputs". */
export const streams = {
  values: 0,
  rounding: 1,
  normal2: 2,
  normal3: 3,
  normal4: 4,
  outliers: 8,
  maskedSlots: 9,
  /** And the words after it, one stream a draw. */
  routing: 16,
} as const;

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

const block = new Uint32Array(4);

/** High 32 bits of the product of two u32, by 16-bit halves: no partial sum passes 32 bits. */
export function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16);
  const cross = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/** One block of four words, written to out[at..at+3]. */
function fillBlock(
  key0: number,
  key1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
  at: number,
): void {
  let [x0, x1, x2, x3] = [c0 | 0, c1 | 0, c2 | 0, c3 | 0];
  let [k0, k1] = [key0 | 0, key1 | 0];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(MULTIPLIER_0, x0);
    const high1 = mulHigh(MULTIPLIER_1, x2);
    const low0 = Math.imul(MULTIPLIER_0, x0);
    const low1 = Math.imul(MULTIPLIER_1, x2);
    x0 = high1 ^ x1 ^ k0;
    x1 = low1;
    x2 = high0 ^ x3 ^ k1;
    x3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[at] = x0;
  out[at + 1] = x1;
  out[at + 2] = x2;
  out[at + 3] = x3;
}

/** Philox4x32-10: key (key0, key1), counter (c0, c1, c2, c3), all u32; four u32 words. */
export function philox4x32(
  key0: number,
  key1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
): [number, number, number, number] {
  fillBlock(key0, key1, c0, c1, c2, c3, block, 0);
  return [block[0]!, block[1]!, block[2]!, block[3]!];
}

/** The word of element `index` (below 2^34) in a stream: key (seed, 0), counter (index >> 2, 0, stream, 0), lane index & 3. */
export function philoxWord(seed: number, index: number, stream: number): number {
  fillBlock(seed, 0, Math.floor(index / 4), 0, stream, 0, block, 0);
  return block[index % 4]!;
}

/** Fills `out` with the words of elements start, start + 1, ... of a stream: the same as {@link philoxWord} on each, a block at a time. */
export function philoxWords(seed: number, stream: number, start: number, out: Uint32Array): void {
  const misaligned = start % 4;
  let at = 0;
  if (misaligned !== 0) {
    at = Math.min(4 - misaligned, out.length);
    copyPart(seed, stream, Math.floor(start / 4), misaligned, out, 0, at);
  }
  let counter = Math.floor((start + at) / 4);
  for (; at + 4 <= out.length; at += 4) fillBlock(seed, 0, counter++, 0, stream, 0, out, at);
  if (at < out.length) copyPart(seed, stream, counter, 0, out, at, out.length - at);
}

/** Copies `count` words of a block from lane `lane` on. */
function copyPart(
  seed: number,
  stream: number,
  counter: number,
  lane: number,
  out: Uint32Array,
  at: number,
  count: number,
): void {
  fillBlock(seed, 0, counter, 0, stream, 0, block, 0);
  for (let i = 0; i < count; i++) out[at + i] = block[lane + i]!;
}
