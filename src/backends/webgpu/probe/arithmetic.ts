import { addF32, divF32, fmaF32, mulF32 } from '../../../numerics/f32.ts';
import type { InputKind } from './inputs.ts';
import type { Group, Meaning, Row } from './row.ts';

const round = Math.fround;
const add = addF32;
const mul = mulF32;

const rounded = (meaning: Meaning): [string, Meaning] => ['correctly rounded', meaning];

const row = (wgsl: string, inputs: InputKind, ...answers: [string, Meaning][]): Row => ({
  wgsl,
  type: 'f32',
  inputs,
  answers,
});

/** Single operations: which are correctly rounded, to nearest-even? */
const basic: Row[] = [
  row(
    'x + y',
    'wide',
    rounded((x, y) => add(x, y)),
  ),
  row(
    'x - y',
    'wide',
    rounded((x, y) => add(x, -y)),
  ),
  row(
    'x * y',
    'wide',
    rounded((x, y) => mul(x, y)),
  ),
  row(
    'x / y',
    'wide',
    rounded((x, y) => divF32(x, y)),
    ['x * fl(1 / y)', (x, y) => mul(x, round(1 / y))],
  ),
  row(
    '1.0 / x',
    'wide',
    rounded((x) => divF32(1, x)),
  ),
  row(
    'x / 448.0',
    'wide',
    rounded((x) => divF32(x, 448)),
    ['x * fl(1 / 448)', (x) => mul(x, round(1 / 448))],
  ),
  row(
    'x * x',
    'wide',
    rounded((x) => mul(x, x)),
  ),
  row(
    'x % y',
    'near-one',
    ['exact remainder', (x, y) => x % y],
    ['x - y * trunc(x / y)', (x, y) => add(x, -mul(y, Math.trunc(divF32(x, y))))],
  ),
  row(
    'sqrt(abs(x))',
    'wide',
    rounded((x) => Math.sqrt(Math.abs(x))),
  ),
  row(
    'inverseSqrt(abs(x))',
    'wide',
    rounded((x) => 1 / Math.sqrt(Math.abs(x))),
  ),
];

const fused = (x: number, y: number, z: number) => fmaF32(x, y, z);
const separate = (x: number, y: number, z: number) => add(mul(x, y), z);

/** Several operations: may the compiler fuse, reorder or fold them? */
const combined: Row[] = [
  row('fma(x, y, z)', 'near-one', ['fused', fused], ['not fused', separate]),
  row('x * y + z', 'near-one', ['as written', separate], ['contracted to fma', fused]),
  row(
    'x * y - z',
    'near-one',
    ['as written', (x, y, z) => separate(x, y, -z)],
    ['contracted to fma', (x, y, z) => fused(x, y, -z)],
  ),
  row(
    'z - x * y',
    'near-one',
    ['as written', (x, y, z) => separate(-x, y, z)],
    ['contracted to fma', (x, y, z) => fused(-x, y, z)],
  ),
  row(
    'x * x + y * y',
    'near-one',
    ['as written', (x, y) => add(mul(x, x), mul(y, y))],
    ['first product fused', (x, y) => fused(x, x, mul(y, y))],
    ['second product fused', (x, y) => fused(y, y, mul(x, x))],
  ),
  row('(x + y) - y', 'wide', ['as written', (x, y) => add(add(x, y), -y)], ['folded to x', (x) => x]),
  row('(x + y) - x', 'wide', ['as written', (x, y) => add(add(x, y), -x)], ['folded to y', (_x, y) => y]),
  row(
    '(x + y) + z',
    'near-one',
    ['as written', (x, y, z) => add(add(x, y), z)],
    ['x + (y + z)', (x, y, z) => add(x, add(y, z))],
  ),
  row(
    'x + (y + z)',
    'near-one',
    ['as written', (x, y, z) => add(x, add(y, z))],
    ['(x + y) + z', (x, y, z) => add(add(x, y), z)],
  ),
  row(
    '(x * y) * z',
    'near-one',
    ['as written', (x, y, z) => mul(mul(x, y), z)],
    ['x * (y * z)', (x, y, z) => mul(x, mul(y, z))],
  ),
  row('(x * y) / y', 'near-one', ['as written', (x, y) => divF32(mul(x, y), y)], ['folded to x', (x) => x]),
  row('x * (1.0 / y)', 'near-one', ['as written', (x, y) => mul(x, divF32(1, y))], ['x / y', (x, y) => divF32(x, y)]),
  row('(x / y) * y', 'near-one', ['as written', (x, y) => mul(divF32(x, y), y)], ['folded to x', (x) => x]),
  row(
    'x * 0.1 + x * 0.2',
    'near-one',
    ['as written', (x) => add(mul(x, round(0.1)), mul(x, round(0.2)))],
    ['first product fused', (x) => fused(x, round(0.1), mul(x, round(0.2)))],
    ['second product fused', (x) => fused(x, round(0.2), mul(x, round(0.1)))],
    ['x * 0.3', (x) => mul(x, add(round(0.1), round(0.2)))],
  ),
  row(
    'dot(vec2(x, y), vec2(z, x))',
    'near-one',
    ['as written', (x, y, z) => add(mul(x, z), mul(y, x))],
    ['second product fused', (x, y, z) => fused(y, x, mul(x, z))],
    ['first product fused', (x, y, z) => fused(x, z, mul(y, x))],
  ),
  row(
    'dot(vec3(x, y, z), vec3(y, z, x))',
    'near-one',
    ['left to right', (x, y, z) => add(add(mul(x, y), mul(y, z)), mul(z, x))],
    ['left to right, fused', (x, y, z) => fused(z, x, fused(y, z, mul(x, y)))],
    ['right to left', (x, y, z) => add(mul(x, y), add(mul(y, z), mul(z, x)))],
  ),
  row(
    'mix(x, y, z)',
    'near-one',
    ['x * (1 - z) + y * z', (x, y, z) => add(mul(x, add(1, -z)), mul(y, z))],
    ['x + (y - x) * z', (x, y, z) => add(x, mul(add(y, -x), z))],
    ['x * (1 - z) + y * z, fused', (x, y, z) => fused(y, z, mul(x, add(1, -z)))],
  ),
];

const halfEven = (x: number) => {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
};
const keepSign =
  (meaning: (x: number) => number): Meaning =>
  (x) =>
    meaning(x) === 0 ? (x < 0 ? -0 : 0) : meaning(x);

/** Rounding to integers, and the parts of a float. */
const shapes: Row[] = [
  row('floor(x)', 'near-one', ['exact', (x) => Math.floor(x)]),
  row('ceil(x)', 'near-one', ['exact', keepSign(Math.ceil)], ['exact, -0 is +0', (x) => Math.ceil(x) + 0]),
  row('trunc(x)', 'near-one', ['exact', keepSign(Math.trunc)], ['exact, -0 is +0', (x) => Math.trunc(x) + 0]),
  row('round(x)', 'near-one', ['ties to even', keepSign(halfEven)], ['ties to even, -0 is +0', (x) => halfEven(x) + 0]),
  row('fract(x)', 'near-one', ['x - floor(x)', (x) => add(x, -Math.floor(x))]),
  row('frexp(x).fract', 'wide', ['exact', (x) => x / 2 ** (Math.floor(Math.log2(Math.abs(x))) + 1)]),
  row('ldexp(x, i32(q % 20u) - 10)', 'wide', ['exact', (x, _y, _z, _p, q) => x * 2 ** ((q % 20) - 10)]),
  row('abs(x)', 'wide', ['exact', (x) => Math.abs(x)]),
  row('sign(x)', 'wide', ['exact', (x) => Math.sign(x)]),
  row('min(x, y)', 'wide', ['exact', (x, y) => Math.min(x, y)]),
  row('max(x, y)', 'wide', ['exact', (x, y) => Math.max(x, y)]),
  row('clamp(x, -1.0, 1.0)', 'near-one', ['exact', (x) => Math.min(Math.max(x, -1), 1)]),
  row('saturate(x)', 'near-one', ['exact', (x) => Math.min(Math.max(x, 0), 1)]),
  row('step(x, y)', 'near-one', ['exact', (x, y) => (x <= y ? 1 : 0)]),
  row(
    'f32(bitcast<i32>(p))',
    'bits',
    rounded((_x, _y, _z, p) => round(p | 0)),
  ),
  row(
    'f32(p)',
    'bits',
    rounded((_x, _y, _z, p) => round(p)),
  ),
];

/** Functions: how many units in the last place off the true value, at worst? */
const functions: Row[] = [
  row(
    'exp(x)',
    'exponent',
    rounded((x) => Math.exp(x)),
  ),
  row(
    'exp2(x)',
    'exponent',
    rounded((x) => 2 ** x),
  ),
  row('exp2(floor(x))', 'exponent', ['exact', (x) => 2 ** Math.floor(x)]),
  row(
    'log(abs(x))',
    'wide',
    rounded((x) => Math.log(Math.abs(x))),
  ),
  row(
    'log2(abs(x))',
    'wide',
    rounded((x) => Math.log2(Math.abs(x))),
  ),
  row('floor(log2(abs(x)))', 'wide', ['exact', (_x, _y, _z, p) => ((p >>> 23) & 0xff) - 127]),
  row(
    '1.0 / (1.0 + exp(-x))',
    'exponent',
    rounded((x) => 1 / (1 + Math.exp(-x))),
  ),
  row(
    'x / (1.0 + exp(-x))',
    'exponent',
    rounded((x) => x / (1 + Math.exp(-x))),
  ),
  row(
    'log(1.0 + exp(x))',
    'unit',
    rounded((x) => Math.log1p(Math.exp(x))),
  ),
  row(
    'tanh(x)',
    'unit',
    rounded((x) => Math.tanh(x)),
  ),
  row(
    'sinh(x)',
    'unit',
    rounded((x) => Math.sinh(x)),
  ),
  row(
    'cosh(x)',
    'unit',
    rounded((x) => Math.cosh(x)),
  ),
  row(
    'sin(x)',
    'angle',
    rounded((x) => Math.sin(x)),
  ),
  row(
    'cos(x)',
    'angle',
    rounded((x) => Math.cos(x)),
  ),
  row(
    'tan(x)',
    'unit',
    rounded((x) => Math.tan(x)),
  ),
  row(
    'asin(x)',
    'unit',
    rounded((x) => Math.asin(x)),
  ),
  row(
    'acos(x)',
    'unit',
    rounded((x) => Math.acos(x)),
  ),
  row(
    'atan(x)',
    'near-one',
    rounded((x) => Math.atan(x)),
  ),
  row(
    'atan2(x, y)',
    'near-one',
    rounded((x, y) => Math.atan2(x, y)),
  ),
  row(
    'pow(abs(x), y)',
    'near-one',
    rounded((x, y) => Math.abs(x) ** y),
  ),
  row(
    'length(vec2(x, y))',
    'near-one',
    rounded((x, y) => Math.hypot(x, y)),
  ),
];

/** Float arithmetic on ordinary numbers. */
export const arithmeticGroups: readonly Group[] = [
  { name: 'one operation', rows: basic },
  { name: 'several operations', rows: combined },
  { name: 'rounding and parts', rows: shapes },
  { name: 'functions', rows: functions },
];
