import { inputError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { isGenerated } from '../kernels/inputs.ts';
import type { InputDeclaration } from '../kernels/kernel.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { type GeneratedInput, generate } from '../tensors/generate.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import type { Answer } from './answer.ts';
import { type Convention, keyOf, type Problem } from './convention.ts';

/** Inputs on which conventions part that gave the same result before. */
export interface Separation {
  readonly inputs: Tensors;
  /** How the inputs were made, in words. */
  readonly words: string;
  /** Conventions held against each other, and how many different results they give now. */
  readonly conventions: number;
  readonly outcomes: number;
}

/** Makes the problem of other inputs: the same spec, the same kind of result. */
export type ProblemOf = (inputs: Tensors) => Problem;

const flavours: readonly (readonly [words: string, change: Partial<GeneratedInput>, mirrored: boolean])[] = [
  ['bell-shaped values', { generate: 'normal' }, false],
  [
    'sums that cancel: the second half of k takes back the first, so that only what was rounded is left',
    { generate: 'normal' },
    true,
  ],
  ['values of one sign', { generate: 'positive' }, false],
  ['channels of outliers, 2^10 as large', { generate: 'outlier-channels', share: 0.05, factorExponent: 10 }, false],
  ['sums that cancel among outliers', { generate: 'outlier-channels', share: 0.05, factorExponent: 10 }, true],
  ['tiny values', { generate: 'normal', exponent: -20 }, false],
  ['a matrix of zeros and outliers', { generate: 'outlier-tokens', share: 0.3, factorExponent: 12 }, false],
  ['any finite bit patterns', { generate: 'bits' }, false],
  ['subnormal values', { generate: 'subnormal' }, false],
];

/**
 * Looks for inputs on which the best candidate and its equals give as many different results as can be had. Only inputs in high precision are
 * made: a spec that reads codes is refused. Undefined where no inputs tried part any two of them.
 */
export function separate(spec: ResolvedSpec, answer: Answer, problemOf: ProblemOf): Separation | undefined {
  const declarations = kernelOf(spec).inputs(spec as never);
  requireHighPrecision(spec, declarations);
  const conventions = [answer.candidates[0]!, ...answer.equals].map(({ convention }) => convention);
  let best: Separation | undefined;
  for (const [words, change, mirrored] of flavours) {
    for (const seed of [101, 202]) {
      const inputs = inputsOf(declarations, change, seed, mirrored);
      const outcomes = countOutcomes(problemOf(inputs), conventions);
      if (outcomes > (best?.outcomes ?? 1)) best = { inputs, words, conventions: conventions.length, outcomes };
      if (outcomes === conventions.length) return best;
    }
  }
  return best;
}

function requireHighPrecision(spec: ResolvedSpec, declarations: readonly InputDeclaration[]): void {
  const integers = declarations.find(({ dtype, input }) => dtype === 'I32' && !isGenerated(input));
  if (integers !== undefined) {
    throw inputError(
      `${spec.name} reads ${integers.name} from a file: inputs that separate conventions are made from the spec alone`,
      'integers-in-file',
      integers.name,
      'let the spec say them (sizes of groups, a generator)',
    );
  }
  const fixed = declarations.find(({ name }) => name.endsWith('scales') || name.endsWith('codes'));
  if (fixed === undefined) return;
  throw inputError(
    `${spec.name} reads ${fixed.name}: inputs that separate conventions are made in high precision`,
    'codes-given',
    fixed.name,
    'give the operand as `input` instead of `codes` and `scales`',
  );
}

function inputsOf(
  declarations: readonly InputDeclaration[],
  change: Partial<GeneratedInput>,
  seed: number,
  mirrored: boolean,
): Tensors {
  return Object.fromEntries(
    declarations.map(({ name, input, shape }, i) => {
      if (isGenerated(input) && input.dtype === 'i32') return [name, generate(input, shape)];
      const dtype = isGenerated(input) ? input.dtype : 'bf16';
      const generated: GeneratedInput = {
        generate: 'normal',
        exponent: 0,
        share: 0,
        factorExponent: 0,
        ...change,
        dtype,
        seed: seed + i,
      };
      const tensor = generate(generated, shape);
      const made = { ...tensor, codes: tensor.codes.map((code) => finite(code, dtype)) as Tensor['codes'] };
      return [name, mirrored && shape.length >= 2 ? mirror(made, name === 'b', dtype) : made];
    }),
  );
}

/** NaN and Inf hide everything that meets them: their exponent loses its last bit. */
function finite(code: number, dtype: string): number {
  if (dtype === 'bf16') return (code & 0x7f80) === 0x7f80 ? code & 0xff7f : code;
  if (dtype === 'f32') return (code & 0x7f800000) === 0x7f800000 ? (code & 0xff7fffff) >>> 0 : code;
  if (dtype === 'f16') return (code & 0x7c00) === 0x7c00 ? code & 0xfbff : code;
  return code;
}

/** The second half of k repeats the first; with the sign turned in `b`, and a few values kept so that something is left. */
function mirror(tensor: Tensor, turned: boolean, dtype: string): Tensor {
  const k = tensor.shape.at(-1)!;
  const rows = tensor.codes.length / k;
  const half = k >> 1;
  const sign = dtype === 'f32' ? 0x80000000 : 0x8000;
  const codes = tensor.codes.slice() as Tensor['codes'];
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      if (i % 61 === 7) continue;
      const first = codes[row * k + i]!;
      codes[row * k + half + i] = turned ? (first ^ sign) >>> 0 : first;
    }
  }
  return { ...tensor, codes };
}

function countOutcomes(problem: Problem, conventions: readonly Convention[]): number {
  const some = problem.confirmed.filter(
    (_, i) => problem.confirmed.length <= 4096 || i % Math.ceil(problem.confirmed.length / 4096) === 0,
  );
  const kinds = new Map<string, string>();
  for (const convention of conventions)
    kinds.set(keyOf(convention), problem.predict(problem.canonical(convention), some).join(' '));
  return new Set(kinds.values()).size;
}
