import { inputError } from '../errors.ts';
import type { Arithmetic, TensorCoreModel } from '../numerics/arithmetic.ts';
import { formats } from '../numerics/formats.ts';
import { powerOfTwoRecipes } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import type { Input, Operand } from './base.ts';
import { defaultOutliers } from './presets.ts';

/** Elements a matrix may have: indices must fit 31 bits on every device. */
const maxElements = 2 ** 31 - 1;

/** Formats a generator of numbers gives; codes of narrower formats come from `bits` or `zero` alone. */
const numberFormats = new Set(['bf16', 'f16', 'f32']);

/** Generators that make numbers from a range: the others ignore `exponent`. */
const scalable = new Set(['uniform', 'positive', 'normal', 'outlier-channels', 'outlier-tokens', 'near-ties']);

/** The checks that kernels share; each refuses with the path and the numbers. */
export type Checker = ReturnType<typeof checker>;

/** The checks of a spec from `where`. */
export function checker(where: string) {
  const refuse = (path: string, message: string, fix: string, code = 'contradiction'): never => {
    throw inputError(`${path}: ${message}`, code, `${where}: ${path}`, fix);
  };
  const elements = (path: string, rows: number, columns: number): void => {
    if (rows * columns > maxElements) {
      refuse(
        path,
        `${rows} x ${columns} is ${rows * columns} elements, more than ${maxElements}`,
        'make it smaller',
        'too-large',
      );
    }
  };
  const generator = (path: string, input: Input): void => {
    if ('file' in input) return;
    const { generate, exponent, share, factorExponent } = input;
    if (exponent !== 0 && !scalable.has(generate)) {
      refuse(`${path}.exponent`, `is ${exponent}, and ${generate} takes none`, 'leave it out');
    }
    if (generate.startsWith('outlier-')) return;
    for (const [field, value, unset] of [
      ['share', share, defaultOutliers.share],
      ['factorExponent', factorExponent, defaultOutliers.factorExponent],
    ] as const) {
      if (value !== unset) {
        refuse(
          `${path}.${field}`,
          `is ${value}, and ${generate} makes no outliers`,
          'leave it out, or generate outlier-channels or outlier-tokens',
        );
      }
    }
  };
  const numbers = (path: string, input: Input): void => {
    generator(path, input);
    if ('generate' in input && !numberFormats.has(input.dtype)) {
      refuse(`${path}.dtype`, `${input.dtype} is a code format, and these are numbers`, 'use bf16, f16 or f32');
    }
  };
  const f32 = (path: string, input: Input): void => {
    numbers(path, input);
    if ('generate' in input && input.dtype !== 'f32') {
      refuse(`${path}.dtype`, `is ${input.dtype}, and weights are f32`, 'set dtype to f32');
    }
  };
  const scheme = (path: string, it: Scheme): void => {
    const { type, recipe, layout } = it.scale;
    const format = formats[it.format];
    if (it.overflow === 'ieee' && format.specials === 'finite') {
      refuse(`${path}.overflow`, `${it.format} has neither Inf nor NaN for ieee overflow`, 'use saturate');
    }
    if (it.seed !== 0 && it.rounding !== 'stochastic') {
      refuse(
        `${path}.seed`,
        `is ${it.seed}, and rounding ${it.rounding} draws no random numbers`,
        'leave it out, or round stochastic',
      );
    }
    if (type === 'e8m0' && !powerOfTwoRecipes.has(recipe)) {
      refuse(
        `${path}.scale`,
        `e8m0 holds powers of two, and ${recipe} gives others`,
        'use pow2 or an mx recipe, or type f32',
      );
    }
    if (recipe === 'unit' && it.scale.amaxFloor !== 0) {
      refuse(`${path}.scale.amaxFloor`, `is ${it.scale.amaxFloor}, and unit looks at no amax`, 'leave it out');
    }
    if ((recipe === 'nvfp4') !== (type === 'e4m3')) {
      refuse(`${path}.scale`, `recipe ${recipe} with type ${type}`, 'nvfp4 scales are e4m3, and only they are');
    }
    if (recipe.startsWith('mx-') && !['e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2'].includes(it.format)) {
      refuse(
        `${path}.format`,
        `${it.format} is no MX element format`,
        'use e4m3, e5m2, e3m2, e2m3 or e2m1, or recipe pow2',
      );
    }
    if (recipe === 'nvfp4' && it.format !== 'e2m1')
      refuse(`${path}.format`, `nvfp4 codes are e2m1, not ${it.format}`, 'use e2m1');
    if (layout === 'packed-e8m0' && type !== 'e8m0') {
      refuse(`${path}.scale.layout`, `packed-e8m0 packs e8m0 bytes, and the type is ${type}`, 'set type to e8m0');
    }
    if (layout === 'mn-major' && type === 'e8m0') {
      refuse(`${path}.scale.layout`, 'mn-major is the layout of f32 scales', 'use packed-e8m0 or row-major');
    }
  };
  const codes = (path: string, it: Operand): void => {
    if (it.codes === undefined || it.scales === undefined) {
      refuse(path, 'codes and scales come together', 'give both, or input');
      return;
    }
    const wanted = {
      codes: it.scheme.format,
      scales: it.scheme.scale.layout === 'packed-e8m0' ? 'f32' : it.scheme.scale.type,
    };
    for (const field of ['codes', 'scales'] as const) {
      const input = it[field] as Input;
      generator(`${path}.${field}`, input);
      if ('generate' in input && input.dtype !== wanted[field]) {
        refuse(
          `${path}.${field}.dtype`,
          `is ${input.dtype}, and the scheme's ${field} are ${wanted[field]}`,
          `use ${wanted[field]}`,
        );
      }
      if (
        'generate' in input &&
        !numberFormats.has(input.dtype) &&
        input.generate !== 'bits' &&
        input.generate !== 'zero'
      ) {
        refuse(`${path}.${field}.generate`, `${input.generate} gives numbers, not codes`, 'use bits or zero');
      }
    }
  };
  const operand = (path: string, it: Operand): void => {
    scheme(`${path}.scheme`, it.scheme);
    if (it.input !== undefined && (it.codes !== undefined || it.scales !== undefined)) {
      refuse(path, 'has input and codes', 'give input, or codes with scales');
    }
    if (it.input === undefined) codes(path, it);
    else numbers(`${path}.input`, it.input);
  };
  const model = (path: string, it: TensorCoreModel): void => {
    if (it.order === 'p4' && it.terms % 2 !== 0) {
      refuse(
        `${path}.terms`,
        `is ${it.terms}, and order p4 takes pairs of products`,
        'use an even number, or order linear',
      );
    }
  };
  const promotion = (path: string, it: Scheme, k: number, { promoteEvery }: Arithmetic): void => {
    const tile = it.tile[1];
    if (tile === 0 || tile >= k) return;
    if (promoteEvery === 0) {
      refuse(
        'arithmetic.promoteEvery',
        `is 0 (never), and the scales of ${path} change every ${tile} along k`,
        'use a scheme with one scale along k (per-token, per-tensor), or promote at each scale',
      );
    }
    if (tile % promoteEvery !== 0) {
      refuse(
        'arithmetic.promoteEvery',
        `is ${promoteEvery}, and does not divide the ${tile} k that share a scale of ${path}`,
        `use a divisor of ${tile}`,
      );
    }
  };
  return { refuse, elements, numbers, f32, scheme, operand, model, promotion };
}
