import { Fp8labError } from '../errors.ts';
import { formats } from '../numerics/formats.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../tensors/tensor.ts';
import { isFast } from './fast-quantize.ts';
import { tilingOf } from './slices.ts';

/**
 * How a quantized weight is laid out in a checkpoint. `deepseek`: `X` with `X_scale_inv`. `compressed-tensors`: `X` with `X_scale` for one scale a
 * row or tensor. `mx`: `X` with F8_E8M0 `X_scale`. `modelopt`: nvfp4 as packed U8 `X`, F8_E4M3 `X_scale`, F32 `X_scale_2`.
 */
export type LayoutName = 'deepseek' | 'compressed-tensors' | 'mx' | 'modelopt';

/** The tensors that stand for one quantized weight. */
export interface WeightTensors {
  readonly codes: TensorDeclaration;
  readonly scales: TensorDeclaration;
  /** nvfp4's tensor scale. */
  readonly tensorScale?: TensorDeclaration;
}

/** The layout of a scheme; schemes that no checkpoint layout can hold are refused. */
export function layoutOf(scheme: Scheme, name: string): LayoutName {
  const { scale, tile } = scheme;
  if (!isFast(scheme) || scale.layout !== 'row-major') {
    throw new Fp8labError(`scheme ${name} has no checkpoint layout`, {
      kind: 'usage',
      code: 'scheme-without-layout',
      where: '--scheme',
      fix: 'use weight-128x128, weight-128x128-pow2, per-token, per-tensor, mxfp8, mxfp6-e2m3, mxfp6-e3m2, mxfp4 or nvfp4',
    });
  }
  if (scale.recipe === 'nvfp4') return 'modelopt';
  if (scale.recipe.startsWith('mx-')) return 'mx';
  return tile.includes(0) ? 'compressed-tensors' : 'deepseek';
}

/** Declarations of the tensors that stand for weight `name` [rows, columns]. */
export function weightTensors(
  name: string,
  rows: number,
  columns: number,
  scheme: Scheme,
  layout: LayoutName,
): WeightTensors {
  const tiling = tilingOf(rows, columns, scheme.tile);
  const codes = { name, dtype: dtypeOfFormat[scheme.format], shape: [rows, columns] };
  const scales = {
    name: `${name}_scale${layout === 'deepseek' ? '_inv' : ''}`,
    dtype: dtypeOfFormat[scheme.scale.type],
    shape: scheme.tile[0] === 0 && scheme.tile[1] === 0 ? [1] : [tiling.rows, tiling.columns],
  };
  if (layout !== 'modelopt') return { codes, scales };
  const packed = { name, dtype: 'U8', shape: [rows, columns / 2] } as const;
  return { codes: packed, scales, tensorScale: { name: `${name}_scale_2`, dtype: 'F32', shape: [1] } };
}

/** `quantization_config` of config.json. `kept`: modules of linear weights that were left in high precision by choice. */
export function quantizationConfig(
  scheme: Scheme,
  layout: LayoutName,
  kept: readonly string[],
): Record<string, unknown> {
  const { format, tile, scale } = scheme;
  const powerOfTwo = scale.recipe === 'pow2' || scale.recipe.startsWith('mx-');
  switch (layout) {
    case 'deepseek':
      return {
        activation_scheme: 'dynamic',
        fmt: format,
        ...(kept.length > 0 && { modules_to_not_convert: kept }),
        quant_method: 'fp8',
        ...(powerOfTwo && { scale_fmt: 'ue8m0' }),
        weight_block_size: tile,
      };
    case 'mx':
      return {
        fmt: format,
        ...(kept.length > 0 && { modules_to_not_convert: kept }),
        quant_method: 'mx',
        scale_fmt: 'ue8m0',
        weight_block_size: tile,
      };
    case 'modelopt':
      return { exclude_modules: kept, group_size: tile[1], quant_algo: 'NVFP4', quant_method: 'modelopt' };
    case 'compressed-tensors':
      return compressedTensors(formats[format].bits, tile[0] === 0 ? 'tensor' : 'channel', kept);
  }
}

function compressedTensors(bits: number, strategy: string, ignore: readonly string[]): Record<string, unknown> {
  const common = { num_bits: bits, symmetric: true, type: 'float' };
  const group = {
    input_activations: { ...common, dynamic: true, strategy: 'token' },
    targets: ['Linear'],
    weights: { ...common, dynamic: false, strategy },
  };
  return {
    config_groups: { group_0: group },
    format: 'float-quantized',
    ignore,
    quant_method: 'compressed-tensors',
    quantization_status: 'compressed',
  };
}
