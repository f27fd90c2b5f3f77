import { describe, expect, it } from 'vitest';
import { patternOf } from '../../src/diagnose/remainder.ts';
import { encodeBits } from '../../src/numerics/codec.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { formats } from '../../src/numerics/formats.ts';

const [rows, columns] = [12, 16];
const sum = (i: number): number => Math.fround(Math.sin(7 * i + 1) * 2 ** (i % 5));
const code = { BF16: (x: number) => encodeBits(bitsOf(x), formats.bf16, 'nearest-even', 'ieee'), F32: bitsOf };

/** What is said of a kernel that makes something else of each f32 sum, both rounded to the output. */
function patternAfter(change: (sum: number, row: number, column: number) => number, dtype: 'BF16' | 'F32' = 'BF16') {
  const all = Array.from({ length: rows * columns }, (_, i) => i);
  const expected = all.map((i) => code[dtype](sum(i)));
  const actual = all.map((i) => code[dtype](Math.fround(change(sum(i), Math.floor(i / columns), i % columns))));
  const places = all.filter((i) => expected[i] !== actual[i]);
  const of = (codes: number[]): number[] => places.map((i) => codes[i]!);
  return patternOf(dtype, [rows, columns], places, of(expected), of(actual)).join('; ');
}

describe.each(['BF16', 'F32'] as const)('what is said of differences in %s', (dtype) => {
  it.each([
    ['a factor', (x: number) => x * 1.3, "the kernel's are 1.3 times the rule's"],
    ['sums on top of sums', (x: number) => x + x, "the kernel's are 2 times the rule's"],
    ['something added', (x: number) => x + 0.5, "the kernel's are the rule's plus 0.5"],
    ['a bias', (x: number, _: number, n: number) => x + Math.cos(n), "each column is the rule's plus"],
    ['a scale of columns', (x: number, _: number, n: number) => x * (1 + n), "each column is the rule's times"],
    ['a scale of rows', (x: number, m: number) => x * (2 + m), "each row is the rule's times"],
    ['a ReLU', (x: number) => Math.max(x, 0), 'where the rule is negative: a ReLU'],
  ])('names %s', (_, change, words) => {
    expect(patternAfter(change, dtype)).toContain(words);
  });

  it.each([
    ['a truncation', (x: number) => fromBits(bitsOf(x) & 0xffff0000)],
    ['noise', (x: number, m: number, n: number) => x * (1 + Math.sin(31 * m + 17 * n) / 8)],
    ['noise of one sign', (x: number, m: number, n: number) => x * (1.1 + Math.sin(31 * m + 17 * n) / 16)],
    ['other sums', (_: number, m: number, n: number) => sum(m * columns + n + 1)],
    ['NaN', (x: number, m: number) => (m === 2 ? Number.NaN : x)],
  ])('takes %s for no factor and no bias', (_, change) => {
    expect(patternAfter(change, dtype)).not.toMatch(/times the rule|rule's (plus|times)|ReLU/);
  });
});

it('names bits that were turned', () => {
  const rule = [0x3f80, 0x4049, 0xbf12, 0x4203];
  const turned = rule.map((code, i) => code ^ (1 << (3 * i + 2)));
  expect(patternOf('BF16', [8, 8], [3, 17, 40, 62], rule, turned).join('; ')).toContain('each has one bit turned');
  expect(patternOf('BF16', [8, 8], [3, 17, 40, 62], rule, [0, ...turned.slice(1)]).join('; ')).not.toContain('one bit');
});
