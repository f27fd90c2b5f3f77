import { Fp8labError, inputError } from '../errors.ts';
import type { FormatName } from '../numerics/formats.ts';
import { shortName } from '../tensors/header.ts';
import type { DType } from '../tensors/tensor.ts';
import { type Checkpoint, isObject, type Located, regionOf } from './checkpoint.ts';

/** A quantized weight of a checkpoint: its tensors, possibly in different shards, and what they mean. */
export interface QuantizedWeight {
  /** Name of the weight once dequantized. */
  readonly name: string;
  /** Its shape then. */
  readonly shape: readonly number[];
  readonly codes: Located;
  /** How codes are packed: F4 where two stand in a byte, whatever dtype the file says. */
  readonly packing: DType;
  readonly format: FormatName;
  readonly scales: Located;
  /** Rows and columns that share a scale; 0 is the whole extent. */
  readonly tile: readonly [number, number];
  readonly tensorScale?: { readonly at: Located; readonly how: 'multiply' | 'divide' };
}

/** Every quantized weight, by the name of its codes, and the names of tensors that are folded into one and vanish. */
export interface QuantizedWeights {
  readonly weights: ReadonlyMap<string, QuantizedWeight>;
  readonly folded: ReadonlySet<string>;
}

/**
 * Finds the quantized weights of a checkpoint by the names and dtypes of its tensors: DeepSeek (`X`, `X_scale_inv`), MX (`X` F8, F6 or F4 with F8_E8M0
 * `X_scale`), compressed-tensors (`X` F8 with `X_scale`; nvfp4 as `X_packed`, `X_scale`, `X_global_scale`), ModelOpt (`X` U8, `X_scale`, `X_scale_2`) and
 * gpt-oss (`X_blocks`, `X_scales`). Scales may lie in another shard than their weight.
 */
export function findQuantizedWeights(checkpoint: Checkpoint): QuantizedWeights {
  const weights = new Map<string, QuantizedWeight>();
  const folded = new Set<string>();
  for (const [name, codes] of checkpoint.tensors) {
    const weight = recognize(checkpoint, name, codes);
    if (weight === undefined) continue;
    weights.set(name, weight);
    folded.add(weight.scales.entry.name);
    if (weight.tensorScale !== undefined) folded.add(weight.tensorScale.at.entry.name);
    // The scale of activations has no meaning without quantized weights.
    const module = weight.name.replace(/weight$/, '');
    for (const scale of [`${module}input_scale`, `${module}input_global_scale`, `${module}weight_shape`]) {
      if (checkpoint.tensors.has(scale)) folded.add(scale);
    }
  }
  return { weights, folded };
}

const codeFormats: Partial<Record<DType, FormatName>> = {
  F8_E4M3: 'e4m3',
  F8_E5M2: 'e5m2',
  F8_E4M3FNUZ: 'e4m3fnuz',
  F8_E5M2FNUZ: 'e5m2fnuz',
  F6_E2M3: 'e2m3',
  F6_E3M2: 'e3m2',
  F4: 'e2m1',
};

function recognize(checkpoint: Checkpoint, name: string, codes: Located): QuantizedWeight | undefined {
  const { dtype } = codes.entry;
  if (name.endsWith('_blocks') && dtype === 'U8') return gptOss(checkpoint, name, codes);
  if (name.endsWith('_packed') && dtype === 'U8') return packedNvfp4(checkpoint, name, codes);
  if (dtype === 'U8' || dtype === 'I8') return packedBytes(checkpoint, name, codes);
  const format = codeFormats[dtype];
  if (format === undefined || /_scale(_inv|_2)?$/.test(name)) return undefined;
  const scales =
    checkpoint.tensors.get(`${name}_scale_inv`) ??
    checkpoint.tensors.get(`${name}_scale`) ??
    checkpoint.tensors.get(name.replace(/weight$/, 'scale'));
  if (scales === undefined || scales === codes) throw withoutScale(checkpoint, name, dtype);
  const tile = tileOf(checkpoint, codes, scales, regionOf(codes).columns);
  return { name, shape: codes.entry.shape, codes, packing: dtype, format, scales, tile };
}

function withoutScale(checkpoint: Checkpoint, name: string, dtype: DType): Error {
  const where = `${checkpoint.path}, tensor ${shortName(name)}`;
  const fix = `the checkpoint needs ${name}_scale_inv or ${name}_scale; fetch the missing shard, or the right index`;
  return inputError(`a ${dtype} weight has no scale`, 'missing-scale', where, fix);
}

/** gpt-oss: blocks [..., G, 16] of two codes a byte with e8m0 bytes [..., G]; the weight is [..., 32 G]. */
function gptOss(checkpoint: Checkpoint, name: string, codes: Located): QuantizedWeight | undefined {
  const base = name.slice(0, -'_blocks'.length);
  const scales = checkpoint.tensors.get(`${base}_scales`);
  const { shape } = codes.entry;
  if (scales === undefined || shape.at(-1) !== 16) return undefined;
  requireShape(scales, shape.slice(0, -1));
  const out = [...shape.slice(0, -2), shape.at(-2)! * 32];
  return { name: base, shape: out, codes, packing: 'F4', format: 'e2m1', scales, tile: [1, 32] };
}

/** compressed-tensors' nvfp4-pack-quantized: the tensor scale is stored as the reciprocal of what multiplies. */
function packedNvfp4(checkpoint: Checkpoint, name: string, codes: Located): QuantizedWeight | undefined {
  const base = name.slice(0, -'_packed'.length);
  const scales = checkpoint.tensors.get(`${base}_scale`);
  const global = checkpoint.tensors.get(`${base}_global_scale`);
  if (scales?.entry.dtype !== 'F8_E4M3' || global === undefined) {
    throw new Fp8labError('packed weights other than nvfp4 are not read', {
      kind: 'input',
      code: 'unsupported-quantization',
      where: `${checkpoint.path}, tensor ${shortName(name)}`,
      fix: 'dequantize with the tool that made the checkpoint',
    });
  }
  return fourBit(base, codes, scales, [1, 16], { at: global, how: 'divide' });
}

/** U8 or I8 of two codes a byte: ModelOpt's nvfp4, or MXFP4 with F8_E8M0 scales. Other integer tensors are not weights. */
function packedBytes(checkpoint: Checkpoint, name: string, codes: Located): QuantizedWeight | undefined {
  const second = checkpoint.tensors.get(`${name}_scale_2`);
  const scales = checkpoint.tensors.get(`${name}_scale`) ?? checkpoint.tensors.get(name.replace(/weight$/, 'scale'));
  if (scales === undefined || scales === codes) return undefined;
  if (second !== undefined && scales.entry.dtype === 'F8_E4M3') {
    return fourBit(name, codes, scales, [1, 16], { at: second, how: 'multiply' });
  }
  return scales.entry.dtype === 'F8_E8M0' ? fourBit(name, codes, scales, [1, 32]) : undefined;
}

function fourBit(
  name: string,
  codes: Located,
  scales: Located,
  tile: readonly [number, number],
  tensorScale?: QuantizedWeight['tensorScale'],
): QuantizedWeight {
  const { shape } = codes.entry;
  const out = [...shape.slice(0, -1), (shape.at(-1) ?? 0) * 2];
  requireShape(scales, [...out.slice(0, -1), Math.ceil(out.at(-1)! / tile[1])]);
  const weight = { name, shape: out, codes, packing: 'F4', format: 'e2m1', scales, tile } as const;
  return tensorScale === undefined ? weight : { ...weight, tensorScale };
}

function requireShape({ shard, entry }: Located, shape: readonly number[]): void {
  if (entry.shape.length === shape.length && entry.shape.every((extent, i) => extent === shape[i])) return;
  const problem = `scales have shape [${entry.shape.join(', ')}], their weight needs [${shape.join(', ')}]`;
  const where = `${shard.path}, tensor ${shortName(entry.name)}`;
  throw inputError(problem, 'wrong-scale-shape', where, 'fetch the checkpoint again');
}

/** Block sizes that checkpoints use, tried in this order where the configuration names none. */
const usualTiles: readonly (readonly [number, number])[] = [
  [128, 128],
  [1, 128],
  [128, 1],
  [64, 64],
  [1, 32],
  [1, 16],
  [32, 32],
];

/** The tile whose grid over a weight has the shape of its scales. */
function tileOf(checkpoint: Checkpoint, codes: Located, scales: Located, columns: number): readonly [number, number] {
  const { rows } = regionOf(codes);
  const { shape, dtype } = scales.entry;
  if (shape.every((extent) => extent === 1) && (rows > 1 || dtype !== 'F8_E8M0')) return [0, 0];
  if (shape[0] === rows && shape.slice(1).every((extent) => extent === 1) && columns > 32) return [1, 0];
  const grid = regionOf(scales);
  const stated = statedTile(checkpoint);
  const byScale = dtype === 'F8_E8M0' ? [[1, 32] as const, ...usualTiles] : usualTiles;
  const found = [...(stated ? [stated] : []), ...byScale].find(
    ([r, c]) => grid.rows === Math.ceil(rows / r) && grid.columns === Math.ceil(columns / c),
  );
  if (found !== undefined) return found;
  const problem = `scales [${shape.join(', ')}] fit no known tile of a weight [${codes.entry.shape.join(', ')}]`;
  const where = `${scales.shard.path}, tensor ${shortName(scales.entry.name)}`;
  throw inputError(problem, 'wrong-scale-shape', where, 'state weight_block_size in config.json');
}

/** The tile that config.json states: DeepSeek's weight_block_size or compressed-tensors' block_structure. */
function statedTile({ config }: Checkpoint): readonly [number, number] | undefined {
  const quantization = config?.quantization_config;
  if (!isObject(quantization)) return undefined;
  const groups = isObject(quantization.config_groups) ? Object.values(quantization.config_groups) : [];
  const weights = groups.map((group) => (isObject(group) && isObject(group.weights) ? group.weights : {}));
  const candidates = [quantization.weight_block_size, ...weights.map((each) => each.block_structure)];
  return candidates.find(isTile);
}

function isTile(value: unknown): value is readonly [number, number] {
  return (
    Array.isArray(value) && value.length === 2 && value.every((extent) => Number.isSafeInteger(extent) && extent > 0)
  );
}
