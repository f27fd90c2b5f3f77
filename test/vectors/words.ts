import type { Format } from '../../src/numerics/formats.ts';
import { philoxWords } from '../../src/numerics/philox.ts';

/** Words as the vector files hold them: fixed-width lower-case hexadecimal, a space between two. */
export function hexWords(words: Iterable<number>, digits: number): string {
  return Array.from(words, (word) => word.toString(16).padStart(digits, '0')).join(' ');
}

/** f32 bits or any u32. */
export function hex32(words: Iterable<number>): string {
  return hexWords(words, 8);
}

/** Codes of a format: a hexadecimal digit for every four bits begun. */
export function hexCodes(codes: Iterable<number>, format: Format): string {
  return hexWords(codes, Math.ceil(format.bits / 4));
}

/** The numbers of a {@link hexWords} string. */
export function parseWords(text: string): number[] {
  return text === '' ? [] : text.split(' ').map((word) => Number.parseInt(word, 16));
}

/** `count` u32 drawn for a purpose: each purpose has its own seed. */
export function draw(seed: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  philoxWords(seed, 0, 0, words);
  return words;
}

/** At most `count` of the items, evenly spread, the first and last among them. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
