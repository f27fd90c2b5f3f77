import { inputError } from '../errors.ts';
import { bitsOf, fromBits } from '../numerics/f32.ts';
import { unpackCodes } from '../tensors/packing.ts';
import { type Checkpoint, type Located, regionOf, type Shard } from './checkpoint.ts';
import { type Conversion, copyTransform, type Transform } from './convert.ts';
import { type Place, type Region, readBytes, requireWholeBytes } from './disk.ts';
import { scaleFactors, scaleFormat, type TensorScale } from './fast-dequantize.ts';
import { forEachConcurrent, type Pool } from './pool.ts';
import { findQuantizedWeights, type QuantizedWeight } from './quantized-weights.ts';
import { planSlices, tilingOf } from './slices.ts';

/** A dequantizing conversion and the weights it found. */
export interface DequantizePlan extends Conversion {
  readonly dequantized: readonly string[];
}

/** Plans the way back to bf16 of every quantized weight; scales vanish, all else is copied, config.json loses its quantization_config. */
export function planDequantize(checkpoint: Checkpoint): DequantizePlan {
  const { weights, folded } = findQuantizedWeights(checkpoint);
  if (weights.size === 0) {
    const fix = 'layouts that are read: DeepSeek, MX, gpt-oss, compressed-tensors (float), ModelOpt nvfp4';
    throw inputError('no quantized weight found', 'nothing-quantized', checkpoint.path, fix);
  }
  return {
    identity: JSON.stringify({ do: 'dequantize', to: 'bf16' }),
    dequantized: Array.from(weights.values(), ({ name }) => name).sort(),
    transforms: (shard) =>
      Array.from(shard.entries.values())
        .filter(({ name }) => !folded.has(name))
        .map((entry) => {
          const weight = weights.get(entry.name);
          return weight === undefined ? copyTransform({ shard, entry }) : dequantizeTransform(weight);
        }),
    config: plainConfig,
    metadata: ({ metadata }: Shard) =>
      Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== 'fp8lab.scheme')),
  };
}

function plainConfig(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { quantization_config: _, ...rest } = config;
  const key = 'dtype' in rest && !('torch_dtype' in rest) ? 'dtype' : 'torch_dtype';
  return { ...rest, [key]: 'bfloat16' };
}

function dequantizeTransform(weight: QuantizedWeight): Transform {
  const { name, shape, codes, packing } = weight;
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const region: Region = { ...regionOf(codes), dtype: packing, rows, columns };
  requireWholeBytes(region, name);
  return {
    source: codes,
    outputs: [{ name, dtype: 'BF16', shape }],
    async run(pool, place) {
      await dequantizeWeight(pool, weight, region, { ...place(name), dtype: 'BF16', rows, columns });
      return undefined;
    },
  };
}

async function dequantizeWeight(pool: Pool, weight: QuantizedWeight, codes: Region, output: Region): Promise<void> {
  const tiling = tilingOf(codes.rows, codes.columns, weight.tile);
  const scales: Region = { ...regionOf(weight.scales), rows: tiling.rows, columns: tiling.columns };
  const tensorScale = weight.tensorScale && readTensorScale(weight.tensorScale.at, weight.tensorScale.how);
  await forEachConcurrent(planSlices(codes.rows, codes.columns, tiling).slices(), Math.max(1, pool.workers), (slice) =>
    pool.run({
      kind: 'dequantize',
      codes,
      format: weight.format,
      slice,
      tiling,
      scales,
      output,
      ...(tensorScale && { tensorScale }),
    }),
  );
}

function readTensorScale({ shard, entry }: Located, how: TensorScale['how']): TensorScale {
  const place: Place = { file: shard.path, offset: entry.begin };
  const lane = unpackCodes(readBytes(place, entry.end - entry.begin), entry.dtype, 1);
  const [value] = scaleFactors(lane, scaleFormat(entry.dtype, shard.path));
  return { bits: bitsOf(value ?? fromBits(0)), how };
}
