import { Fp8labError } from '../errors.ts';

/** One of several parts of a job: number `index` (from 1) of `count`. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/** Reads `i/n` of `--part`. */
export function parsePart(text: string): Part {
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && index >= 1 && index <= count) return { index, count };
  throw new Fp8labError(`"${text}" is no part`, {
    kind: 'usage',
    code: 'bad-part',
    where: '--part',
    fix: 'write i/n with i from 1 to n: --part 2/8',
  });
}

/** Reads a whole number of an option, from `least` on, and to `most` where there is such. */
export function parseCount(text: string | number, option: string, least: number, most?: number): number {
  const count = Number(text);
  if (text !== '' && Number.isSafeInteger(count) && count >= least && count <= (most ?? count)) return count;
  throw new Fp8labError(`"${text}" is no whole number from ${least} ${most === undefined ? 'on' : `to ${most}`}`, {
    kind: 'usage',
    code: 'bad-number',
    where: option,
    fix: `give a number: ${option} ${Math.max(least, 2)}`,
  });
}

/** Every n-th item from the i-th: parts are disjoint, cover the whole, and have like amounts of large and small. */
export function partOf<T>(items: readonly T[], part: Part | undefined): readonly T[] {
  return part === undefined ? items : items.filter((_, i) => i % part.count === part.index - 1);
}
