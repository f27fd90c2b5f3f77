import { bitsOf, fromBits } from '../../../numerics/f32.ts';
import type { Meaning, Row } from './row.ts';

type Lanes = readonly [Uint32Array, Uint32Array, Uint32Array];

/** What is said about a row. */
export interface Verdict {
  readonly verdict: string;
  readonly ideal: boolean;
  readonly samples: number;
  readonly differing: number;
  readonly worstUlp: number | null;
}

const isNanBits = (bits: number) => (bits & 0x7fffffff) > 0x7f800000;

/** The meaning's value as the word that the shader would have stored. */
function expectedWords(row: Row, meaning: Meaning, [a, b, c]: Lanes): Uint32Array {
  const words = new Uint32Array(a.length);
  for (let at = 0; at < words.length; at++) {
    const [p, q, r] = [a[at]!, b[at]!, c[at]!];
    const value = meaning(fromBits(p), fromBits(q), fromBits(r), p, q, r);
    words[at] = row.type === 'f32' ? bitsOf(value as number) : Number(value);
  }
  return words;
}

/** NaN equals NaN; zeros of different sign do not. */
const agrees = (type: Row['type'], got: number, wanted: number) =>
  got === wanted || (type === 'f32' && isNanBits(got) && isNanBits(wanted));

/** Position of a float in the order of all floats: neighbours differ by 1. */
const ordinal = (bits: number) => (bits & 0x80000000 ? -(bits & 0x7fffffff) : bits);

interface Difference {
  readonly differing: number;
  readonly worst: number;
  /** Where the first difference is, or -1. */
  readonly first: number;
}

function compare(type: Row['type'], got: Uint32Array, wanted: Uint32Array): Difference {
  let differing = 0;
  let worst = 0;
  let first = -1;
  for (let at = 0; at < got.length; at++) {
    if (agrees(type, got[at]!, wanted[at]!)) continue;
    differing++;
    if (first < 0) first = at;
    const apart = isNanBits(got[at]!) || isNanBits(wanted[at]!) ? Number.POSITIVE_INFINITY : 0;
    worst = Math.max(worst, apart, Math.abs(ordinal(got[at]!) - ordinal(wanted[at]!)));
  }
  return { differing, worst, first };
}

function showWord(type: Row['type'], word: number): string {
  if (type === 'bool') return String(word === 1);
  if (type === 'i32') return String(word | 0);
  return type === 'u32' ? String(word) : `${fromBits(word)} (0x${word.toString(16).padStart(8, '0')})`;
}

function describe(row: Row, got: Uint32Array, wanted: Uint32Array, difference: Difference): string {
  const { differing, worst, first } = difference;
  const percent = (100 * differing) / got.length;
  const share = `${percent >= 10 ? percent.toFixed(0) : percent.toPrecision(2)} % differ`;
  if (row.type === 'f32' && got.length > 1 && Number.isFinite(worst)) return `up to ${worst} ULP off, ${share}`;
  const example = `gives ${showWord(row.type, got[first]!)} for ${showWord(row.type, wanted[first]!)}`;
  return got.length > 1 ? `${example}, ${share}` : example;
}

/** The expression, with the values of its variables where the row asks about a single sample. */
export function describeOperation({ wgsl, inputs }: Row): string {
  const sample = typeof inputs !== 'string' && inputs.length === 1 ? inputs[0]! : undefined;
  if (sample === undefined) return wgsl;
  const values = ['x', 'y', 'z', 'p', 'q', 'r']
    .map((name, at) => ({ name, bits: sample[at % 3] ?? 0, isFloat: at < 3 }))
    .filter(({ name }) => new RegExp(`\\b${name}\\b`).test(wgsl))
    .map(({ name, bits, isFloat }) => `${name} = ${isFloat ? showFloat(bits) : bits}`);
  return values.length === 0 ? wgsl : `${wgsl} with ${values.join(', ')}`;
}

function showFloat(bits: number): string {
  const value = fromBits(bits);
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value).replace('Infinity', 'Inf');
}

/** Names the meaning that explains every sample, or says how far the results are from the first. */
export function judge(row: Row, lanes: Lanes, got: Uint32Array): Verdict {
  const samples = got.length;
  const ideal = expectedWords(row, row.answers[0]![1], lanes);
  const difference = compare(row.type, got, ideal);
  const { differing, worst } = difference;
  const worstUlp = row.type === 'f32' && Number.isFinite(worst) ? worst : null;
  if (differing === 0) return { verdict: row.answers[0]![0], ideal: true, samples, differing, worstUlp };
  const other = row.answers
    .slice(1)
    .find(([, meaning]) => compare(row.type, got, expectedWords(row, meaning, lanes)).differing === 0);
  const verdict = other?.[0] ?? describe(row, got, ideal, difference);
  return { verdict, ideal: false, samples, differing, worstUlp };
}
