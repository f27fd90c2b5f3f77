import { decodeTable, encodeBits } from '../../../numerics/codec.ts';
import { fromBits } from '../../../numerics/f32.ts';
import { formats, type Rounding } from '../../../numerics/formats.ts';
import type { Group, Meaning, Row } from './row.ts';

const [zero, minusZero, one, two, half, minusOne] = [0, 0x80000000, 0x3f800000, 0x40000000, 0x3f000000, 0xbf800000];
const [inf, minusInf, nan, largest, leastNormal] = [0x7f800000, 0xff800000, 0x7fc00000, 0x7f7fffff, 0x00800000];
const [subnormal, leastSubnormal, payloadNan] = [0x00345678, 0x00000001, 0x7fa12345];

type Answer = [string, Meaning];

const row = (wgsl: string, type: Row['type'], inputs: Row['inputs'], ...answers: Answer[]): Row => ({
  wgsl,
  type,
  inputs,
  answers,
});

const kept = (meaning: Meaning): Answer => ['subnormals kept', meaning];
const flushed = (meaning: Meaning): Answer => [
  'flushed to zero',
  (...lanes) => (Number(meaning(...lanes)) < 0 ? -0 : 0),
];
const flushedPositive: Answer = ['flushed to +0', () => 0];
const sub = (wgsl: string, meaning: Meaning): Row =>
  row(wgsl, 'f32', 'subnormal', kept(meaning), flushed(meaning), flushedPositive);

/** Subnormal inputs and results: kept or flushed, operation by operation. */
const subnormals: Row[] = [
  row('p', 'u32', 'subnormal', ['bits kept', (_x, _y, _z, p) => p]),
  row(
    'bitcast<u32>(bitcast<f32>(p))',
    'u32',
    'subnormal',
    ['bits kept', (_x, _y, _z, p) => p],
    ['flushed to zero', (_x, _y, _z, p) => (p & 0x80000000) >>> 0],
  ),
  sub('x', (x) => x),
  sub('x + 0.0', (x) => x),
  sub('x * 1.0', (x) => x),
  sub('x / 1.0', (x) => x),
  sub('-x', (x) => -x),
  sub('abs(x)', (x) => Math.abs(x)),
  sub('x + x', (x) => x + x),
  sub('x * 2.0', (x) => x * 2),
  sub('x * 16777216.0', (x) => x * 2 ** 24),
  sub('x * 0x1p120', (x) => x * 2 ** 120),
  sub('min(x, 1.0)', (x) => x),
  sub('max(x, -1.0)', (x) => x),
  sub('clamp(x, -1.0, 1.0)', (x) => x),
  sub('select(1.0, x, p != 0u)', (x, _y, _z, p) => (p !== 0 ? x : 1)),
  sub('fma(x, 2.0, x)', (x) => Math.fround(3 * x)),
  sub('ldexp(x, 24)', (x) => x * 2 ** 24),
  sub('sqrt(abs(x))', (x) => Math.sqrt(Math.abs(x))),
  row('x == 0.0', 'bool', [[subnormal]], ['false', () => false], ['true', () => true]),
  row('x > 0.0', 'bool', [[subnormal]], ['true', () => true], ['false', () => false]),
  row('x < y', 'bool', [[leastSubnormal, subnormal]], ['true', () => true], ['false', () => false]),
  row('x * y', 'f32', [[leastNormal, half]], ['subnormal result', (x, y) => x * y], flushedPositive),
  row('x / y', 'f32', [[leastNormal, two]], ['subnormal result', (x, y) => x / y], flushedPositive),
  row('x - y', 'f32', [[0x00900000, leastNormal]], ['subnormal result', (x, y) => x - y], flushedPositive),
  row('ldexp(x, -130)', 'f32', [[one]], ['subnormal result', () => 2 ** -130], flushedPositive),
  row('exp2(x)', 'f32', [[0xc3020000]], ['subnormal result', () => 2 ** -130], flushedPositive),
];

const truth = (expected: boolean): Answer[] => [
  [String(expected), () => expected],
  [String(!expected), () => !expected],
];
const bool = (wgsl: string, inputs: number[], expected: boolean): Row =>
  row(wgsl, 'bool', [inputs], ...truth(expected));
const value = (wgsl: string, inputs: number[], ...answers: Answer[]): Row => row(wgsl, 'f32', [inputs], ...answers);
const gives = (name: string, result: number): Answer => [name, () => result];
const givesNan = gives('NaN', Number.NaN);
const givesInf = gives('Inf', Number.POSITIVE_INFINITY);
const largestValue = gives('the largest finite', fromBits(largest));

/** NaN: what comparisons and selections make of it. WGSL lets an implementation assume that it does not occur. */
const nans: Row[] = [
  row('p', 'u32', [[payloadNan]], ['payload kept', (_x, _y, _z, p) => p]),
  row(
    'bitcast<u32>(x)',
    'u32',
    [[payloadNan]],
    ['payload kept', (_x, _y, _z, p) => p],
    ['made quiet', (_x, _y, _z, p) => (p | 0x400000) >>> 0],
  ),
  row('bitcast<u32>(-x)', 'u32', [[nan]], ['sign flipped', () => 0xffc00000], ['unchanged', () => nan]),
  row('bitcast<u32>(abs(x))', 'u32', [[0xffc00000]], ['sign cleared', () => nan], ['unchanged', () => 0xffc00000]),
  bool('x != x', [nan], true),
  bool('x == x', [nan], false),
  bool('x < y', [nan, one], false),
  bool('x > y', [nan, one], false),
  bool('x <= y', [nan, one], false),
  bool('!(x < y)', [nan, one], true),
  bool('x != y', [nan, one], true),
  value('min(x, y)', [nan, one], gives('the number', 1), givesNan),
  value('min(x, y)', [one, nan], gives('the number', 1), givesNan),
  value('max(x, y)', [nan, one], gives('the number', 1), givesNan),
  value('max(x, y)', [one, nan], gives('the number', 1), givesNan),
  value('clamp(x, -448.0, 448.0)', [nan], givesNan, gives('-448', -448), gives('448', 448)),
  value('saturate(x)', [nan], givesNan, gives('0', 0), gives('1', 1)),
  value('x + y', [nan, one], givesNan),
  value('x * y', [nan, zero], givesNan, gives('0', 0)),
  value('sign(x)', [nan], givesNan, gives('0', 0), gives('1', 1), gives('-1', -1)),
  value('floor(x)', [nan], givesNan),
  value('exp(x)', [nan], givesNan),
  value('sqrt(x)', [minusOne], givesNan),
  value('log(x)', [minusOne], givesNan),
  value('x / y', [zero, zero], givesNan),
  value('x - y', [inf, inf], givesNan, gives('0', 0)),
  value('x - x', [inf], givesNan, gives('0', 0)),
  value('x * y', [inf, zero], givesNan, gives('0', 0)),
  row(
    'i32(x)',
    'i32',
    [[nan]],
    gives('0', 0),
    gives('the least i32', -(2 ** 31)),
    gives('the largest i32', 2 ** 31 - 1),
  ),
  row('u32(x)', 'u32', [[nan]], gives('0', 0), gives('the largest u32', 2 ** 32 - 1), gives('2^31', 2 ** 31)),
];

/** Inf, overflow, and the sign of zero. */
const extremes: Row[] = [
  value('x / y', [one, zero], givesInf, largestValue),
  value('x / y', [minusOne, zero], gives('-Inf', Number.NEGATIVE_INFINITY)),
  value('x / y', [one, minusZero], gives('-Inf', Number.NEGATIVE_INFINITY), givesInf),
  value('x * y', [largest, two], givesInf, largestValue),
  value('x + y', [largest, largest], givesInf, largestValue),
  value('x + y', [largest, one], largestValue, givesInf),
  value('x + y', [inf, one], givesInf),
  value('x / y', [one, inf], gives('0', 0)),
  bool('x > y', [inf, largest], true),
  bool('x == y', [inf, inf], true),
  value('min(x, y)', [inf, one], gives('1', 1)),
  value('max(x, y)', [minusInf, one], gives('1', 1)),
  value('exp(x)', [0x447a0000], givesInf, largestValue),
  value('exp(x)', [0xc47a0000], gives('0', 0)),
  value('log(x)', [zero], gives('-Inf', Number.NEGATIVE_INFINITY)),
  row(
    'i32(x)',
    'i32',
    [[inf]],
    gives('the largest i32', 2 ** 31 - 1),
    gives('the largest f32 below 2^31', 2147483520),
    gives('the least i32', -(2 ** 31)),
  ),
  row('i32(x)', 'i32', [[minusInf]], gives('the least i32', -(2 ** 31))),
  row('u32(x)', 'u32', [[inf]], gives('the largest u32', 2 ** 32 - 1), gives('the largest f32 below 2^32', 4294967040)),
  row('u32(x)', 'u32', [[minusOne]], gives('0', 0), gives('the largest u32', 2 ** 32 - 1)),
  value('x + y', [minusZero, zero], gives('+0', 0), gives('-0', -0)),
  value('x + y', [minusZero, minusZero], gives('-0', -0), gives('+0', 0)),
  value('x - y', [one, one], gives('+0', 0), gives('-0', -0)),
  value('x * y', [zero, minusOne], gives('-0', -0), gives('+0', 0)),
  value('-x', [zero], gives('-0', -0), gives('+0', 0)),
  value('x + 0.0', [minusZero], gives('+0', 0), gives('folded to x', -0)),
  value('x * 1.0', [minusZero], gives('-0', -0), gives('+0', 0)),
  value('0.0 - x', [zero], gives('+0', 0), gives('-0', -0)),
  value('abs(x)', [minusZero], gives('+0', 0), gives('-0', -0)),
  value('sqrt(x)', [minusZero], gives('-0', -0), gives('+0', 0)),
  value('min(x, y)', [minusZero, zero], gives('-0', -0), gives('+0', 0)),
  value('max(x, y)', [minusZero, zero], gives('+0', 0), gives('-0', -0)),
  value('trunc(x)', [0xbf000000], gives('-0', -0), gives('+0', 0)),
  value('round(x)', [0xbe99999a], gives('-0', -0), gives('+0', 0)),
  bool('x == y', [minusZero, zero], true),
];

const e4m3 = decodeTable(formats.e4m3);
const f16 = decodeTable(formats.f16);
const codes8 = Array.from({ length: 256 }, (_, code) => [code]).filter(([code]) => (code! & 0x7f) !== 0x7f);
const codes16 = Array.from({ length: 65536 }, (_, code) => [code]);
const finite16 = codes16.filter(([code]) => (code! & 0x7c00) !== 0x7c00);
const e4m3Value: Meaning = (_x, _y, _z, p) => fromBits(e4m3[p]!);
const f16Value: Meaning = (_x, _y, _z, p) => fromBits(f16[p]!);
const subnormalF16Flushed: Meaning = (_x, _y, _z, p) =>
  (p & 0x7c00) === 0 ? (p & 0x8000 ? -0 : 0) : fromBits(f16[p]!);

const toF16 = (name: string, rounding: Rounding): Answer => [
  name,
  (_x, _y, _z, p) => encodeBits(p, formats.f16, rounding, 'ieee'),
];
const nearestF16 = toF16('nearest, ties to even', 'nearest-even');
const truncatedF16 = toF16('toward zero', 'toward-zero');
const decoded = ([name, encoded]: Answer): Answer => [name, (...lanes) => fromBits(f16[encoded(...lanes) as number]!)];

/** Conversions between formats: which shortcuts of FP8 code are exact here. */
const conversions: Row[] = [
  row(
    'unpack2x16float(p).x',
    'f32',
    finite16,
    ['every finite f16 exact', f16Value],
    ['subnormal f16 flushed', subnormalF16Flushed],
  ),
  row('unpack2x16float(p).x', 'f32', [[0x7c00], [0xfc00]], ['Inf', f16Value]),
  row('unpack2x16float(p).x', 'f32', [[0x7e00]], givesNan),
  row(
    'pack2x16float(vec2(unpack2x16float(p).x, 0.0))',
    'u32',
    finite16,
    ['round trip', (_x, _y, _z, p) => p],
    ['subnormal f16 flushed', (_x, _y, _z, p) => ((p & 0x7c00) === 0 ? p & 0x8000 : p)],
  ),
  row('pack2x16float(vec2(x, 0.0))', 'u32', 'unit', nearestF16, truncatedF16),
  row(
    '256.0 * unpack2x16float(((p & 0x80u) << 8u) | ((p & 0x7fu) << 7u)).x',
    'f32',
    codes8,
    ['every finite e4m3 exact', e4m3Value],
    ['subnormal codes give zero', (_x, _y, _z, p) => ((p & 0x78) === 0 ? (p & 0x80 ? -0 : 0) : fromBits(e4m3[p]!))],
  ),
  row(
    '0x1p120 * bitcast<f32>(((p & 0x80u) << 24u) | ((p & 0x7fu) << 20u))',
    'f32',
    codes8,
    ['every finite e4m3 exact', e4m3Value],
    ['subnormal codes give zero', (_x, _y, _z, p) => ((p & 0x78) === 0 ? (p & 0x80 ? -0 : 0) : fromBits(e4m3[p]!))],
  ),
  row('quantizeToF16(x)', 'f32', 'unit', decoded(nearestF16), decoded(truncatedF16)),
  row('i32(x)', 'i32', 'exponent', ['toward zero', (x) => Math.trunc(x)]),
  row('u32(abs(x))', 'u32', 'exponent', ['toward zero', (x) => Math.trunc(Math.abs(x))]),
  row('unpack4x8unorm(p).x', 'f32', [[0], [1], [127], [255]], ['p / 255', (_x, _y, _z, p) => p / 255]),
  row('unpack2x16unorm(p).x', 'f32', [[0], [1], [32767], [65535]], ['p / 65535', (_x, _y, _z, p) => p / 65535]),
];

/** Floats at the edges of their range. */
export const specialGroups: readonly Group[] = [
  { name: 'subnormals', rows: subnormals },
  { name: 'NaN', rows: nans },
  { name: 'Inf, overflow, signed zero', rows: extremes },
  { name: 'conversions', rows: conversions },
];
