import { inputError } from '../errors.ts';
import type { Arithmetic, TensorCoreModel } from '../numerics/arithmetic.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { checkSpec } from './check.ts';
import { arithmeticPresets, defaultAmaxFloor, defaultOutliers, modelPresets, schemePresets } from './presets.ts';
import {
  type AuthoredArithmetic,
  type AuthoredInput,
  type AuthoredModel,
  type AuthoredOperand,
  type AuthoredScheme,
  type AuthoredSpec,
  schemeSchema,
  specSchema,
} from './schema.ts';
import type { Input, Operand, ResolvedSpec } from './types.ts';
import { validate } from './validate.ts';

/** Nesting past this is not a spec but an attack on a recursive reader. */
const maxDepth = 12;
const maxNodes = 2000;

/**
 * Fills a spec: presets become their objects, defaults are written out, contradictions are refused.
 * @param json what JSON.parse gave, or an object made in code
 * @param where name of the source for error messages
 * @throws Fp8labError of kind `input` with the field's path
 */
export function resolveSpec(json: unknown, where = 'spec'): ResolvedSpec {
  refuseHostile(json, where);
  const authored = validate(specSchema, json, where);
  const spec = fill(authored);
  checkSpec(spec, where);
  return spec;
}

/** A scheme by preset name or object, filled. */
export function resolveScheme(json: unknown, where = 'scheme'): Scheme {
  refuseHostile(json, where);
  return fillScheme(validate(schemeSchema, json, where), where);
}

function fill(spec: AuthoredSpec): ResolvedSpec {
  const base = {
    fp8lab: 1 as const,
    name: spec.name,
    description: spec.description ?? '',
    large: spec.large ?? false,
  };
  switch (spec.kernel) {
    case 'quantize':
      return {
        ...base,
        kernel: 'quantize',
        shape: spec.shape,
        x: { input: fillInput(spec.x.input) },
        scheme: fillScheme(spec.scheme, 'scheme'),
      };
    case 'dequantize':
      return {
        ...base,
        kernel: 'dequantize',
        shape: spec.shape,
        x: fillOperand(spec.x, 'x'),
        output: spec.output ?? 'bf16',
      };
    case 'requantize':
      return {
        ...base,
        kernel: 'requantize',
        shape: spec.shape,
        x: fillOperand(spec.x, 'x'),
        to: fillScheme(spec.to, 'to'),
      };
    case 'gemm': {
      const gemm = {
        ...base,
        kernel: 'gemm' as const,
        shape: spec.shape,
        a: fillOperand(spec.a, 'a'),
        b: fillOperand(spec.b, 'b'),
        arithmetic: fillArithmetic(spec.arithmetic ?? 'hopper-deepgemm'),
        output: spec.output ?? 'bf16',
      };
      return spec.c === undefined ? gemm : { ...gemm, c: { input: fillInput(spec.c.input) } };
    }
  }
}

function fillOperand(operand: AuthoredOperand, path: string): Operand {
  return {
    scheme: fillScheme(operand.scheme, `${path}.scheme`),
    ...(operand.input !== undefined && { input: fillInput(operand.input) }),
    ...(operand.codes !== undefined && { codes: fillInput(operand.codes) }),
    ...(operand.scales !== undefined && { scales: fillInput(operand.scales) }),
  };
}

function fillInput(input: AuthoredInput): Input {
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

function fillScheme(scheme: AuthoredScheme, path: string): Scheme {
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

function fillArithmetic(arithmetic: AuthoredArithmetic): Arithmetic {
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

/** Refuses what no author writes: circles, great depth or size, keys that touch prototypes, values that JSON has not. */
function refuseHostile(json: unknown, where: string): void {
  let nodes = 0;
  const refuse = (message: string, code: string): never => {
    throw inputError(message, code, where, 'a spec is a small JSON object; see docs/specs.md');
  };
  const visit = (value: unknown, depth: number): void => {
    if (depth > maxDepth) refuse(`the spec is nested deeper than ${maxDepth}`, 'too-deep');
    if (++nodes > maxNodes) refuse(`the spec has more than ${maxNodes} values`, 'too-large');
    if (['bigint', 'function', 'symbol'].includes(typeof value)) refuse(`the spec holds a ${typeof value}`, 'not-json');
    if (value === null || typeof value !== 'object') return;
    for (const key of Object.keys(value)) {
      if (key === '__proto__') refuse('the spec has a field named __proto__', 'unknown-field');
      visit((value as Record<string, unknown>)[key], depth + 1);
    }
  };
  visit(json, 0);
}
