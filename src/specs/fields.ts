import { z } from 'zod';
import { roundings } from '../numerics/formats.ts';
import { scaleRecipes } from '../numerics/scheme.ts';
import { arithmeticPresets, modelPresets, schemePresets } from './presets.ts';

/** The names of a table as an enumeration. */
export const names = <T extends Record<string, unknown>>(table: T) =>
  z.enum(Object.keys(table) as [keyof T & string, ...(keyof T & string)[]]);

/** 32 bits. */
export const u32 = z.int().min(0).max(0xffffffff);
/** An extent of a tensor. */
export const extent = z
  .int()
  .min(1)
  .max(2 ** 24);

const rounding = z.enum(roundings).describe('How a value between two codes is rounded.');

const format = z
  .enum(['e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2', 'e5m6', 'bf16', 'f16'])
  .describe('Number format of the codes.');

const recipe = z
  .enum(scaleRecipes)
  .describe('How a scale is computed from the amax and applied; docs/numerics.md has the operations.');

const scale = z.strictObject({
  type: z
    .enum(['f32', 'e8m0', 'e4m3'])
    .optional()
    .describe('Type the scale is stored in. Default f32; e4m3 for nvfp4.'),
  recipe: recipe.optional().describe('Default pow2.'),
  amaxFloor: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('A tile amax is at least this. Default by recipe: 1e-4 for DeepSeek.'),
  layout: z
    .enum(['row-major', 'mn-major', 'packed-e8m0'])
    .optional()
    .describe('How stored scales lie in memory. Default row-major.'),
});

const schemeObject = z.strictObject({
  preset: names(schemePresets).optional().describe('Take this scheme and change the fields given beside it.'),
  format: format.optional(),
  tile: z
    .tuple([
      z
        .int()
        .min(0)
        .max(2 ** 24),
      z
        .int()
        .min(0)
        .max(2 ** 24),
    ])
    .optional()
    .describe('Rows and columns that share a scale; 0 is the whole extent.'),
  scale: scale.optional(),
  rounding: rounding.optional(),
  overflow: z
    .enum(['saturate', 'ieee'])
    .optional()
    .describe('What becomes of values past the largest code. Default saturate.'),
  seed: u32.optional().describe('Philox key of stochastic rounding. Default 0.'),
});

/** A quantization scheme, by name or in full. */
export const scheme = z
  .union([names(schemePresets), schemeObject])
  .describe('A quantization scheme: the name of a preset, or an object.');

const generator = z.enum([
  'uniform',
  'positive',
  'normal',
  'outlier-channels',
  'outlier-tokens',
  'near-ties',
  'bits',
  'zero',
  'saturating',
  'subnormal',
]);

const generated = z.strictObject({
  generate: generator.describe('Name of the generator; docs/numerics.md has the formulas.'),
  seed: u32.optional().describe('Philox key. Default 0.'),
  dtype: z
    .enum(['bf16', 'f16', 'f32', 'e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2', 'e5m6', 'e8m0'])
    .optional()
    .describe('Format of the values. Default bf16; code formats with the bits and zero generators.'),
  exponent: z.int().min(-252).max(252).optional().describe('Values are multiplied by 2^exponent. Default 0.'),
  share: z.number().min(0).max(1).optional().describe('Share of outlier channels or tokens. Default 0.01.'),
  factorExponent: z.int().min(-252).max(252).optional().describe('Outliers are multiplied by 2^this. Default 6.'),
});

/** A tensor of a file. */
export const file = z.strictObject({
  file: z.string().min(1).describe('Path of a safetensors file, relative to the spec.'),
  tensor: z.string().min(1).describe('Name of the tensor in it.'),
});

/** Where a tensor comes from. */
export const input = z.union([generator, generated, file]).describe('Where values come from: a generator or a file.');

/** A quantized operand. */
export const operand = z
  .strictObject({
    scheme,
    input: input.optional().describe('High-precision values, quantized by the scheme first.'),
    codes: input.optional().describe('Codes used as they are, with scales.'),
    scales: input.optional().describe('Stored scales of the codes.'),
  })
  .describe('A quantized operand: a scheme with input, or with codes and scales.');

const modelObject = z.strictObject({
  name: z.string().min(1).max(64).optional().describe('Default custom.'),
  kind: z.enum(['aligned', 'exact', 'sequential']).optional().describe('Default aligned.'),
  fractionBits: z
    .int()
    .min(0)
    .max(35)
    .optional()
    .describe('F: fraction bits kept below the largest exponent. At least 1; 0 where kind is not aligned.'),
  terms: z
    .int()
    .min(0)
    .max(64)
    .optional()
    .describe('L: products of one fused sum. At least 1; 0 where kind is not aligned.'),
  output: z.enum(['e8m13', 'f32-rz', 'f32-rne', 'f16-rne']).optional().describe('Default f32-rz.'),
  order: z.enum(['linear', 'p4']).optional().describe('Default linear.'),
});

const arithmeticObject = z.strictObject({
  preset: names(arithmeticPresets).optional().describe('Take this arithmetic and change the fields given beside it.'),
  model: z
    .union([names(modelPresets), modelObject])
    .optional()
    .describe('Tensor-core model. Default hopper-wgmma-fp8.'),
  promoteEvery: z
    .int()
    .min(0)
    .max(2 ** 24)
    .optional()
    .describe('k between promotions to f32; 0 is never. Default 128.'),
  combine: z.enum(['scales-first', 'a-then-b', 'b-then-a']).optional().describe('Default scales-first.'),
  promote: z.enum(['fused', 'unfused']).optional().describe('Default fused.'),
});

/** How products are summed, by name or in full. */
export const arithmetic = z
  .union([names(arithmeticPresets), arithmeticObject])
  .describe('How products are summed: the name of a preset, or an object. Default hopper-deepgemm.');

/** The fields of every spec. */
export const base = {
  $schema: z.string().optional().describe('For editors; no part of the spec.'),
  fp8lab: z.literal(1).describe('Version of the spec format.'),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,79}$/, 'use lower-case letters, digits, dots and dashes, 80 at most')
    .describe('Name in tables and files.'),
  description: z.string().max(1000).optional().describe('What the spec is for, in a sentence.'),
  large: z.boolean().optional().describe('Full size: left out of a default parity run.'),
};

/** The shape of kernels on one matrix. */
export const matrix = z.strictObject({ rows: extent, columns: extent });
/** The format of a result in high precision. */
export const output = z.enum(['bf16', 'f16', 'f32']).describe('Format of the result.');

/** What authors write, before presets and defaults are filled in. */
export type AuthoredScheme = z.infer<typeof scheme>;
export type AuthoredInput = z.infer<typeof input>;
export type AuthoredOperand = z.infer<typeof operand>;
export type AuthoredArithmetic = z.infer<typeof arithmetic>;
export type AuthoredModel = z.infer<typeof modelObject>;
