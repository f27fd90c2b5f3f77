import { inputError } from '../errors.ts';
import type { Arithmetic, TensorCoreModel } from '../numerics/arithmetic.ts';
import type { FormatName } from '../numerics/formats.ts';
import type { ScaleLayout, ScaleRecipe, ScaleType, Scheme } from '../numerics/scheme.ts';
import { didYouMean } from './nearest.ts';

/** amaxFloor of each recipe where a spec gives none: DeepSeek's kernels take 1e-4, the others bring their own. */
export const defaultAmaxFloor: Readonly<Record<ScaleRecipe, number>> = {
  divide: 1e-4,
  reciprocal: 1e-4,
  inverse: 1e-4,
  deepep: 1e-4,
  v32: 1e-4,
  te: 0,
  torchao: 1e-12,
  pow2: 1e-4,
  'mx-floor': 0,
  'mx-ceil': 0,
  'mx-even': 0,
  'mx-rceil': 0,
  nvfp4: 0,
  unit: 0,
};

/** What outlier generators take where a spec says nothing: one line in a hundred, 64 times as large. */
export const defaultOutliers = { share: 0.01, factorExponent: 6 } as const;

/** Presets are shared by every spec that names them: nobody may change one. */
function frozen<T>(value: T): T {
  if (value !== null && typeof value === 'object') Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

function scheme(
  format: FormatName,
  tile: readonly [number, number],
  recipe: ScaleRecipe,
  type: ScaleType = 'f32',
  layout: ScaleLayout = 'row-major',
): Scheme {
  const scale = { type, recipe, amaxFloor: defaultAmaxFloor[recipe], layout };
  return { format, tile, scale, rounding: 'nearest-even', overflow: 'saturate', seed: 0 };
}

/** Quantization schemes by name. Sources: DeepSeek-V3 report 3.3, OCP MX 1.0, and the projects whose recipe each names. */
export const schemePresets = frozen({
  'activation-1x128': scheme('e4m3', [1, 128], 'divide'),
  'weight-128x128': scheme('e4m3', [128, 128], 'divide'),
  'activation-1x128-pow2': scheme('e4m3', [1, 128], 'pow2'),
  'weight-128x128-pow2': scheme('e4m3', [128, 128], 'pow2'),
  'gradient-1x128-pow2': scheme('e4m3', [1, 128], 'pow2'),
  'gradient-128x128': scheme('e4m3', [128, 128], 'divide'),
  'channel-128x1-pow2': scheme('e4m3', [128, 1], 'pow2'),
  'activation-1x128-deepgemm': scheme('e4m3', [1, 128], 'reciprocal'),
  'activation-1x128-tilekernels': scheme('e4m3', [1, 128], 'inverse'),
  'activation-1x128-deepep': scheme('e4m3', [1, 128], 'deepep'),
  'activation-1x128-v32': scheme('e4m3', [1, 128], 'v32'),
  'activation-1x128-te': scheme('e4m3', [1, 128], 'te'),
  'activation-1x128-torchao': scheme('e4m3', [1, 128], 'torchao'),
  'activation-1x128-mn-major': scheme('e4m3', [1, 128], 'divide', 'f32', 'mn-major'),
  'activation-1x128-ue8m0': scheme('e4m3', [1, 128], 'pow2', 'e8m0'),
  'activation-1x128-ue8m0-packed': scheme('e4m3', [1, 128], 'pow2', 'e8m0', 'packed-e8m0'),
  mxfp8: scheme('e4m3', [1, 32], 'mx-floor', 'e8m0'),
  'mxfp8-rceil': scheme('e4m3', [1, 32], 'mx-rceil', 'e8m0'),
  'mxfp8-e5m2': scheme('e5m2', [1, 32], 'mx-floor', 'e8m0'),
  'mxfp6-e2m3': scheme('e2m3', [1, 32], 'mx-floor', 'e8m0'),
  'mxfp6-e3m2': scheme('e3m2', [1, 32], 'mx-floor', 'e8m0'),
  mxfp4: scheme('e2m1', [1, 32], 'mx-floor', 'e8m0'),
  nvfp4: scheme('e2m1', [1, 16], 'nvfp4', 'e4m3'),
  'e5m6-token': scheme('e5m6', [1, 0], 'pow2'),
  'per-token': scheme('e4m3', [1, 0], 'divide'),
  'per-tensor': scheme('e4m3', [0, 0], 'divide'),
  bf16: { ...scheme('bf16', [0, 0], 'unit'), overflow: 'ieee' },
  f16: { ...scheme('f16', [0, 0], 'unit'), overflow: 'ieee' },
} as const satisfies Record<string, Scheme>);

const aligned = (
  name: string,
  fractionBits: number,
  terms: number,
  output: TensorCoreModel['output'],
  order: TensorCoreModel['order'] = 'linear',
): TensorCoreModel => ({ name, kind: 'aligned', fractionBits, terms, output, order });

/**
 * Tensor-core models by name. F and L are from MMA-Sim (arXiv 2511.10909) and Khattak and Mikaitis (arXiv 2512.07004); the Hopper and Ada FP8
 * models reproduce recorded outputs of both devices (test/data/tensor-core). `hopper-mma-sync-fp8` is Hopper's emulation of the older
 * instruction on FP16 units; its f32 form is inferred from the f16 one.
 */
export const modelPresets = frozen({
  'hopper-wgmma-fp8': aligned('hopper-wgmma-fp8', 13, 32, 'e8m13'),
  'ada-mma-fp8': aligned('ada-mma-fp8', 13, 16, 'e8m13'),
  'blackwell-fp8': aligned('blackwell-fp8', 25, 32, 'f32-rz'),
  'hopper-mma-sync-fp8': aligned('hopper-mma-sync-fp8', 25, 16, 'f32-rz', 'p4'),
  'hopper-bf16': aligned('hopper-bf16', 25, 16, 'f32-rz'),
  'ampere-bf16': aligned('ampere-bf16', 24, 8, 'f32-rz'),
  exact: { name: 'exact', kind: 'exact', fractionBits: 0, terms: 0, output: 'f32-rne', order: 'linear' },
  'f32-sequential': {
    name: 'f32-sequential',
    kind: 'sequential',
    fractionBits: 0,
    terms: 0,
    output: 'f32-rne',
    order: 'linear',
  },
} as const satisfies Record<string, TensorCoreModel>);

const deepgemm = (model: TensorCoreModel): Arithmetic => ({
  model,
  promoteEvery: 128,
  combine: 'scales-first',
  promote: 'fused',
});

const hopper = modelPresets['hopper-wgmma-fp8'];

/**
 * How published kernels sum. `hopper-deepgemm` is DeepGEMM's SM90 1D2D kernel, `hopper-triton-v3` DeepSeek-V3's Triton kernel
 * (accumulator += dot * a_s * b_s). cuBLASLt is closed: `hopper-cublaslt` has its promotion interval and an assumed unfused promotion.
 */
export const arithmeticPresets = frozen({
  'hopper-deepgemm': deepgemm(hopper),
  'hopper-triton-v3': { ...deepgemm(hopper), combine: 'a-then-b' },
  'hopper-cublaslt': { ...deepgemm(hopper), promote: 'unfused' },
  'hopper-unpromoted': { ...deepgemm(hopper), promoteEvery: 0 },
  'hopper-bf16': { ...deepgemm(modelPresets['hopper-bf16']), promoteEvery: 0 },
  'ada-deepgemm': deepgemm(modelPresets['ada-mma-fp8']),
  'blackwell-deepgemm': deepgemm(modelPresets['blackwell-fp8']),
  exact: deepgemm(modelPresets.exact),
  f32: deepgemm(modelPresets['f32-sequential']),
} as const satisfies Record<string, Arithmetic>);

export type SchemePresetName = keyof typeof schemePresets;
export type ModelPresetName = keyof typeof modelPresets;
export type ArithmeticPresetName = keyof typeof arithmeticPresets;

/** A scheme by its preset's name; an unknown name is refused with the nearest known one. */
export function schemePreset(name: string, where = 'scheme'): Scheme {
  return lookUp<Scheme>(schemePresets, name, 'scheme', where);
}

/** A tensor-core model by its preset's name. */
export function modelPreset(name: string, where = 'model'): TensorCoreModel {
  return lookUp<TensorCoreModel>(modelPresets, name, 'tensor-core model', where);
}

/** An arithmetic by its preset's name. */
export function arithmeticPreset(name: string, where = 'arithmetic'): Arithmetic {
  return lookUp<Arithmetic>(arithmeticPresets, name, 'arithmetic', where);
}

function lookUp<T>(presets: Readonly<Record<string, T>>, name: string, what: string, where: string): T {
  if (Object.hasOwn(presets, name)) return presets[name] as T;
  throw inputError(
    `there is no ${what} preset "${name}"${didYouMean(name, Object.keys(presets))}`,
    'unknown-preset',
    where,
    `name one of: ${Object.keys(presets).join(', ')}`,
  );
}
