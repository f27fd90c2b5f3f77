import { inputError } from '../errors.ts';
import { decodeBits } from '../numerics/decode-bits.ts';
import { formats } from '../numerics/formats.ts';
import { didYouMean } from '../specs/nearest.ts';
import { defaultOutliers } from '../specs/presets.ts';
import { type GeneratedInput, type GeneratorName, generate } from '../tensors/generate.ts';

/** A matrix that studies work on. Values are finite: what was not is counted and stands as zero. */
export interface StudyMatrix {
  readonly rows: number;
  readonly columns: number;
  /** f32 bits, row-major. */
  readonly words: Uint32Array;
  /** What it is, for titles: `normal, seed 1`, `layers.0.weight`. */
  readonly title: string;
  /** What a reader must know: a sample, values left out. Empty where there is nothing. */
  readonly notes: readonly string[];
}

const generators = [
  'normal',
  'uniform',
  'positive',
  'outlier-channels',
  'outlier-tokens',
] as const satisfies readonly GeneratorName[];

/** Names of the generators that give data for a study. */
export const studyGenerators: readonly string[] = generators;

/** Parameters of a generator in the notation of an input: `outlier-channels:share=0.02,factor=64,exponent=-3`. */
const parameters = ['seed', 'exponent', 'share', 'factor', 'dtype'] as const;

/**
 * Reads the notation of a generated input: a generator's name, then after a colon `seed` (default: the study's), `exponent` (times 2^exponent),
 * `share` and `factor` (a power of two) of outliers, `dtype` (bf16, f16, f32; default bf16). Undefined where the text names no generator: a file.
 */
export function parseInput(text: string, seed: number): GeneratedInput | undefined {
  const [name = '', rest] = text.split(':', 2);
  if (!studyGenerators.includes(name)) return undefined;
  const given = new Map(rest ? rest.split(',').map((part) => part.split('=', 2) as [string, string]) : []);
  for (const key of given.keys()) {
    if (!(parameters as readonly string[]).includes(key)) {
      throw bad(`the generator takes no "${key}"${didYouMean(key, parameters)}`, `use ${parameters.join(', ')}`);
    }
  }
  const number = (key: string, otherwise: number, least: number, most: number): number => {
    if (!given.has(key)) return otherwise;
    const value = Number(given.get(key) || Number.NaN);
    if (value >= least && value <= most) return value;
    throw bad(`${key} ${given.get(key)} is out of range`, `give a number from ${least} to ${most}`);
  };
  const whole = (key: string, otherwise: number, least: number, most: number): number => {
    const value = number(key, otherwise, least, most);
    if (Number.isInteger(value)) return value;
    throw bad(`${key} ${value} is not a whole number`, 'give a whole number; factor is a power of two');
  };
  return {
    generate: name as GeneratorName,
    seed: whole('seed', seed, 0, 2 ** 32 - 1),
    exponent: whole('exponent', 0, -100, 100),
    share: number('share', defaultOutliers.share, 0, 1),
    factorExponent: given.has('factor')
      ? powerOfTwo(number('factor', 1, 2 ** -60, 2 ** 60))
      : defaultOutliers.factorExponent,
    dtype: dtypeOf(given.get('dtype') ?? 'bf16'),
  };
}

function powerOfTwo(factor: number): number {
  const exponent = Math.log2(factor);
  if (Number.isInteger(exponent)) return exponent;
  throw bad(`factor ${factor} is no power of two`, 'give 2, 4, 8 ...');
}

function dtypeOf(name: string): 'bf16' | 'f16' | 'f32' {
  if (name === 'bf16' || name === 'f16' || name === 'f32') return name;
  throw bad(`generators give no ${name}`, 'use dtype bf16, f16 or f32');
}

function bad(message: string, fix: string): Error {
  return inputError(message, 'bad-input', '--input', fix);
}

/** The matrix of a generated input. */
export function generatedMatrix(input: GeneratedInput, rows: number, columns: number, title: string): StudyMatrix {
  const { codes } = generate(input, [rows, columns]);
  const format = formats[input.dtype];
  return { rows, columns, words: Uint32Array.from(codes, (code) => decodeBits(code, format)), title, notes: [] };
}
