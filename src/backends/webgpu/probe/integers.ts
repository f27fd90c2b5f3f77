import type { Group, Meaning, Row } from './row.ts';

type Words = (p: number, q: number, r: number) => number;

const exactly = (meaning: Words): [string, Meaning] => ['exact', (_x, _y, _z, p, q, r) => meaning(p, q, r)];
const u32 = (wgsl: string, meaning: Words): Row => ({
  wgsl,
  type: 'u32',
  inputs: 'bits',
  answers: [exactly((p, q, r) => meaning(p, q, r) >>> 0)],
});
const i32 = (wgsl: string, meaning: Words): Row => ({
  wgsl,
  type: 'i32',
  inputs: 'bits',
  answers: [exactly((p, q, r) => meaning(p | 0, q | 0, r | 0) | 0)],
});
const i = (name: string) => `bitcast<i32>(${name})`;

const countOnes = (word: number): number => (word === 0 ? 0 : 1 + countOnes(word & (word - 1)));
const leadingZeros = (word: number) => Math.clz32(word);
const trailingZeros = (word: number) => (word === 0 ? 32 : 31 - Math.clz32(word & -word));
const reverse = (word: number) =>
  Number.parseInt((word >>> 0).toString(2).padStart(32, '0').split('').reverse().join(''), 2);
const mask = (bits: number) => (bits === 32 ? 0xffffffff : 2 ** bits - 1);
const extract = (word: number, offset: number, count: number) => ((word >>> offset) & mask(count)) >>> 0;

/** Integers: the exact tier stands on these alone. */
const integers: Row[] = [
  u32('p + q', (p, q) => p + q),
  u32('p - q', (p, q) => p - q),
  u32('p * q', (p, q) => Math.imul(p, q)),
  u32('p / max(q, 1u)', (p, q) => Math.floor(p / Math.max(q, 1))),
  u32('p % max(q, 1u)', (p, q) => p % Math.max(q, 1)),
  u32('p / max(q >> 20u, 1u)', (p, q) => Math.floor(p / Math.max(q >>> 20, 1))),
  u32('p << (q & 31u)', (p, q) => p << (q & 31)),
  u32('p >> (q & 31u)', (p, q) => p >>> (q & 31)),
  u32('p & q', (p, q) => p & q),
  u32('p | q', (p, q) => p | q),
  u32('p ^ q', (p, q) => p ^ q),
  u32('~p', (p) => ~p),
  u32('min(p, q)', (p, q) => Math.min(p, q)),
  u32('max(p, q)', (p, q) => Math.max(p, q)),
  u32('select(p, q, p < q)', (p, q) => Math.max(p, q)),
  u32('countOneBits(p)', countOnes),
  u32('countLeadingZeros(p >> (q & 31u))', (p, q) => leadingZeros(p >>> (q & 31))),
  u32('countTrailingZeros(p << (q & 31u))', (p, q) => trailingZeros(p << (q & 31))),
  u32('firstLeadingBit(p >> (q & 31u))', (p, q) => 31 - leadingZeros(p >>> (q & 31))),
  u32('firstTrailingBit(p)', (p) => (p === 0 ? -1 : trailingZeros(p))),
  u32('reverseBits(p)', reverse),
  u32('extractBits(p, q & 15u, r & 15u)', (p, q, r) => extract(p, q & 15, r & 15)),
  u32('insertBits(p, q, 8u, 8u)', (p, q) => (p & ~0xff00) | ((q & 0xff) << 8)),
  i32(`${i('p')} + ${i('q')}`, (p, q) => p + q),
  i32(`${i('p')} * ${i('q')}`, (p, q) => Math.imul(p, q)),
  i32(`${i('p')} / max(abs(${i('q')} >> 8u), 1)`, (p, q) => Math.trunc(p / Math.max(Math.abs(q >> 8), 1))),
  i32(`${i('p')} % max(abs(${i('q')} >> 8u), 1)`, (p, q) => p % Math.max(Math.abs(q >> 8), 1)),
  i32(`${i('p')} >> (q & 31u)`, (p, q) => p >> (q & 31)),
  i32(`abs(${i('p')})`, (p) => Math.abs(p)),
  i32(`min(${i('p')}, ${i('q')})`, (p, q) => Math.min(p, q)),
  i32(`max(${i('p')}, ${i('q')})`, (p, q) => Math.max(p, q)),
  i32(`clamp(${i('p')}, -1000, 1000)`, (p) => Math.min(Math.max(p, -1000), 1000)),
  i32(`-${i('p')}`, (p) => -p),
  i32(`extractBits(${i('p')}, 4u, 8u)`, (p) => (p << 20) >> 24),
];

const bytes = (word: number) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24];
const signedBytes = (word: number) => bytes(word).map((byte) => (byte << 24) >> 24);
const dot = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0);

/** Packed bytes: a WGSL language feature that not every runtime offers. */
const packed: Row[] = [
  u32('dot4U8Packed(p, q)', (p, q) => dot(bytes(p), bytes(q))),
  i32('dot4I8Packed(p, q)', (p, q) => dot(signedBytes(p), signedBytes(q))),
  u32('unpack4xU8(p).w', (p) => p >>> 24),
  i32('unpack4xI8(p).y', (p) => (p << 16) >> 24),
  u32(
    'pack4xU8(vec4(p, q, r, p) & vec4(255u))',
    (p, q, r) => (p & 0xff) | ((q & 0xff) << 8) | ((r & 0xff) << 16) | (p << 24),
  ),
];

const turns = (wgsl: string, inputs: number[], meaning: Words): Row => ({
  wgsl,
  type: 'u32',
  inputs: [inputs],
  answers: [['all turns', (_x, _y, _z, p, q, r) => meaning(p, q, r)]],
});

/** Loops: some software adapters end them early, and say nothing. */
const loops: Row[] = [
  turns('turns(p, q)', [60000, 1], (p) => p),
  turns('turns(p, q)', [100000, 1], (p) => p),
  turns('nested_turns(p, q, r)', [200, 300, 1], (p, q) => p * q),
  turns('nested_turns(p, q, r)', [300, 300, 1], (p, q) => p * q),
];

/** What does not touch floats. */
export const integerGroups: readonly Group[] = [
  { name: 'integers', rows: integers },
  { name: 'packed bytes', rows: packed },
  { name: 'loops', rows: loops },
];
