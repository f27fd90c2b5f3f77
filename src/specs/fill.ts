import { inputError } from '../errors.ts';
import type { Arithmetic, TensorCoreModel } from '../numerics/arithmetic.ts';
import type { Scheme } from '../numerics/scheme.ts';
import type { Input, Operand } from './base.ts';
import type { AuthoredArithmetic, AuthoredInput, AuthoredModel, AuthoredOperand, AuthoredScheme } from './fields.ts';
import { arithmeticPresets, defaultAmaxFloor, defaultOutliers, modelPresets, schemePresets } from './presets.ts';

/** An operand with its scheme and inputs filled. */
export function fillOperand(operand: AuthoredOperand, path: string): Operand {
  return {
    scheme: fillScheme(operand.scheme, `${path}.scheme`),
    ...(operand.input !== undefined && { input: fillInput(operand.input) }),
    ...(operand.codes !== undefined && { codes: fillInput(operand.codes) }),
    ...(operand.scales !== undefined && { scales: fillInput(operand.scales) }),
  };
}

/** An input with its generator's defaults written out. */
export function fillInput(input: AuthoredInput): Input {
  if (typeof input === 'string') return fillInput({ generate: input });
  if ('file' in input) return { file: input.file, tensor: input.tensor };
  return {
    generate: input.generate,
    seed: input.seed ?? 0,
    dtype: input.dtype ?? 'bf16',
    exponent: input.exponent ?? 0,
    share: input.share ?? defaultOutliers.share,
    factorExponent: input.factorExponent ?? defaultOutliers.factorExponent,
  };
}

/** A scheme with its preset's fields and defaults written out. */
export function fillScheme(scheme: AuthoredScheme, path: string): Scheme {
  if (typeof scheme === 'string') return schemePresets[scheme];
  const base: Scheme | undefined = scheme.preset === undefined ? undefined : schemePresets[scheme.preset];
  const recipe = scheme.scale?.recipe ?? base?.scale.recipe ?? 'pow2';
  const sameRecipe = base?.scale.recipe === recipe;
  return {
    format: scheme.format ?? base?.format ?? required(`${path}.format`),
    tile: scheme.tile ?? base?.tile ?? required(`${path}.tile`),
    scale: {
      type: scheme.scale?.type ?? base?.scale.type ?? (recipe === 'nvfp4' ? 'e4m3' : 'f32'),
      recipe,
      amaxFloor: scheme.scale?.amaxFloor ?? (sameRecipe ? base.scale.amaxFloor : defaultAmaxFloor[recipe]),
      layout: scheme.scale?.layout ?? base?.scale.layout ?? 'row-major',
    },
    rounding: scheme.rounding ?? base?.rounding ?? 'nearest-even',
    overflow: scheme.overflow ?? base?.overflow ?? 'saturate',
    seed: scheme.seed ?? base?.seed ?? 0,
  };
}

/** An arithmetic with its preset's fields written out. */
export function fillArithmetic(arithmetic: AuthoredArithmetic): Arithmetic {
  if (typeof arithmetic === 'string') return arithmeticPresets[arithmetic];
  const base: Arithmetic = arithmeticPresets[arithmetic.preset ?? 'hopper-deepgemm'];
  return {
    model: arithmetic.model === undefined ? base.model : fillModel(arithmetic.model),
    promoteEvery: arithmetic.promoteEvery ?? base.promoteEvery,
    combine: arithmetic.combine ?? base.combine,
    promote: arithmetic.promote ?? base.promote,
  };
}

function fillModel(model: keyof typeof modelPresets | AuthoredModel): TensorCoreModel {
  if (typeof model === 'string') return modelPresets[model];
  const name = model.name ?? 'custom';
  const kind = model.kind ?? 'aligned';
  if (kind !== 'aligned') return { name, kind, fractionBits: 0, terms: 0, output: 'f32-rne', order: 'linear' };
  return {
    name,
    kind,
    fractionBits: model.fractionBits || required('arithmetic.model.fractionBits'),
    terms: model.terms || required('arithmetic.model.terms'),
    output: model.output ?? 'f32-rz',
    order: model.order ?? 'linear',
  };
}

function required(path: string): never {
  throw inputError(`${path}: is missing or 0`, 'missing-field', path, 'give it, or start from a preset with "preset"');
}
