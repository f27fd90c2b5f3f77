import { inputError } from '../errors.ts';
import { tensorScaleBits } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { shortName } from '../tensors/header.ts';
import { dtypeOfFormat } from '../tensors/tensor.ts';
import { type Checkpoint, type Located, regionOf, type Shard } from './checkpoint.ts';
import { type Conversion, copyTransform, type Transform } from './convert.ts';
import { type Place, type Region, readBytes, writeBytes } from './disk.ts';
import type { QuantizeJob } from './jobs.ts';
import { type LayoutName, layoutOf, quantizationConfig, type WeightTensors, weightTensors } from './layouts.ts';
import { forEachConcurrent, type Pool } from './pool.ts';
import { defaultExclude, isSelected, type Selection, unfitReason } from './selection.ts';
import { type Bounds, planSlices, type SlicePlan, type Tiling, tilesOf, tilingOf } from './slices.ts';

/** A quantizing conversion, and what it will do to which tensor. */
export interface QuantizePlan extends Conversion {
  readonly layout: LayoutName;
  readonly quantized: readonly string[];
  /** Chosen by the globs, but not fit for the scheme. */
  readonly unfit: readonly { readonly name: string; readonly reason: string }[];
}

/** Plans the quantization of a checkpoint's weights by a scheme; `schemeName` is the preset's name, for messages and metadata. */
export function planQuantize(
  checkpoint: Checkpoint,
  scheme: Scheme,
  schemeName: string,
  selection: Selection,
): QuantizePlan {
  const layout = layoutOf(scheme, schemeName);
  if (checkpoint.config?.quantization_config !== undefined) {
    const fix = 'dequantize it first: fp8lab dequantize IN OUT';
    throw inputError('the checkpoint is quantized already', 'already-quantized', checkpoint.path, fix);
  }
  const chosen = Array.from(checkpoint.tensors.keys()).filter((name) => isSelected(name, selection));
  const reasons = chosen.map((name) => ({ name, reason: unfitReason(checkpoint.tensors.get(name)!.entry, scheme) }));
  const unfit = reasons.filter((each): each is { name: string; reason: string } => each.reason !== undefined);
  const left = new Set(unfit.map(({ name }) => name));
  const quantized = new Set(chosen.filter((name) => !left.has(name)));
  requireSome(quantized, unfit, checkpoint, selection);
  requireFreeNames(quantized, checkpoint, scheme, layout);
  const kept = keptModules(checkpoint, quantized);
  return {
    identity: JSON.stringify({ do: 'quantize', scheme, selection, layout }),
    layout,
    quantized: Array.from(quantized).sort(),
    unfit,
    transforms: (shard) =>
      Array.from(shard.entries.values(), (entry) =>
        quantized.has(entry.name)
          ? quantizeTransform({ shard, entry }, scheme, layout)
          : copyTransform({ shard, entry }),
      ),
    config: (config) => ({ ...config, quantization_config: quantizationConfig(scheme, layout, kept) }),
    metadata: (shard: Shard) => ({
      ...shard.metadata,
      'fp8lab.scheme': JSON.stringify({ name: schemeName, ...scheme }),
    }),
  };
}

function requireSome(
  quantized: ReadonlySet<string>,
  [first]: QuantizePlan['unfit'],
  checkpoint: Checkpoint,
  { include, exclude }: Selection,
): void {
  if (quantized.size > 0) return;
  if (first !== undefined) {
    throw inputError(
      `no chosen tensor can be quantized: ${first.reason}`,
      'nothing-selected',
      `${checkpoint.path}: ${first.name}`,
      'choose others by --include, or another scheme; `fp8lab inspect` lists them',
    );
  }
  const without = exclude.length > 0 ? ` without ${exclude.join(' ')}` : '';
  const problem = `none of ${checkpoint.tensors.size} tensors is chosen by ${include.join(' ')}${without}`;
  throw inputError(
    problem,
    'nothing-selected',
    checkpoint.path,
    'give --include with a glob; `fp8lab inspect` lists the names',
  );
}

function requireFreeNames(
  names: ReadonlySet<string>,
  checkpoint: Checkpoint,
  scheme: Scheme,
  layout: LayoutName,
): void {
  for (const name of names) {
    const { scales, tensorScale } = weightTensors(name, 1, 8, scheme, layout);
    for (const taken of [scales.name, tensorScale?.name]) {
      if (taken === undefined || !checkpoint.tensors.has(taken)) continue;
      const where = `${checkpoint.path}, tensor ${shortName(name)}`;
      throw inputError(
        `there is a tensor ${shortName(taken)} already`,
        'already-quantized',
        where,
        'exclude this weight',
      );
    }
  }
}

/** Modules of 2-D weights that a loader would take for quantized ones: left in high precision, and not of a kind that always is. */
function keptModules(checkpoint: Checkpoint, quantized: ReadonlySet<string>): readonly string[] {
  const usual: Selection = { include: ['*.weight'], exclude: defaultExclude };
  return Array.from(checkpoint.tensors)
    .filter(([name, { entry }]) => entry.shape.length === 2 && !quantized.has(name) && isSelected(name, usual))
    .map(([name]) => name.slice(0, -'.weight'.length))
    .sort();
}

/** Where the tensors of one weight lie, and how it is cut. */
interface Weight {
  readonly source: Region;
  readonly scheme: Scheme;
  readonly tiling: Tiling;
  readonly plan: SlicePlan;
  readonly codes: Region;
  readonly scales: Region;
  readonly tensorScale?: Place;
}

function quantizeTransform(located: Located, scheme: Scheme, layout: LayoutName): Transform {
  const source = regionOf(located);
  const tensors = weightTensors(located.entry.name, source.rows, source.columns, scheme, layout);
  const { codes, scales, tensorScale } = tensors;
  const weightAt = (place: (name: string) => Place): Weight => weightOf(source, scheme, tensors, place);
  return {
    source: located,
    outputs: tensorScale === undefined ? [codes, scales] : [codes, scales, tensorScale],
    async run(pool, place) {
      return quantizeWeight(pool, weightAt(place));
    },
    async verify(pool, place) {
      return verifyWeight(pool, weightAt(place));
    },
  };
}

function weightOf(source: Region, scheme: Scheme, tensors: WeightTensors, place: (name: string) => Place): Weight {
  const { rows, columns } = source;
  const tiling = tilingOf(rows, columns, scheme.tile);
  const { codes, scales, tensorScale } = tensors;
  return {
    source,
    scheme,
    tiling,
    plan: planSlices(rows, columns, tiling),
    codes: { ...place(codes.name), dtype: dtypeOfFormat[scheme.format], rows, columns },
    scales: { ...place(scales.name), dtype: scales.dtype, rows: tiling.rows, columns: tiling.columns },
    ...(tensorScale && { tensorScale: place(tensorScale.name) }),
  };
}

/** What has to be known of the whole tensor before its slices can be quantized. */
interface Prepared {
  readonly amax?: Uint32Array;
  readonly tensorScale?: number;
}

async function prepare(pool: Pool, { source, scheme, tiling, plan, tensorScale }: Weight): Promise<Prepared> {
  const amax = plan.whole ? undefined : await tileAmax(pool, source, tiling, plan);
  if (tensorScale === undefined) return amax === undefined ? {} : { amax };
  const whole = amax ?? (await tileAmax(pool, source, tilingOf(source.rows, source.columns, [0, 0]), plan));
  const bits = tensorScaleBits(whole.reduce((a, b) => Math.max(a, b), 0));
  return { tensorScale: bits, ...(scheme.tile.includes(0) && amax && { amax }) };
}

/** amax of every tile of a tensor, gathered over its slices. */
export async function tileAmax(pool: Pool, source: Region, tiling: Tiling, plan: SlicePlan): Promise<Uint32Array> {
  const amax = new Uint32Array(tiling.rows * tiling.columns);
  await forEachConcurrent(plan.slices(), Math.max(1, pool.workers), async (slice) => {
    const parts = await pool.run({ kind: 'amax', source, slice, tiling });
    tileIndices(slice, tiling).forEach((tile, i) => {
      amax[tile] = Math.max(amax[tile]!, parts[i]!);
    });
  });
  return amax;
}

function tileIndices(slice: Bounds, tiling: Tiling): number[] {
  const { top, bottom, left, right } = tilesOf(slice, tiling);
  const indices: number[] = [];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) indices.push(row * tiling.columns + column);
  }
  return indices;
}

function jobOf<K extends QuantizeJob['kind']>(
  kind: K,
  weight: Weight,
  slice: Bounds,
  { amax, tensorScale }: Prepared,
): QuantizeJob & { readonly kind: K } {
  const { source, scheme, tiling, codes, scales } = weight;
  return {
    kind,
    source,
    slice,
    tiling,
    scheme,
    codes,
    scales,
    ...(amax && { amax: Uint32Array.from(tileIndices(slice, tiling), (tile) => amax[tile]!) }),
    ...(tensorScale !== undefined && { tensorScale }),
  };
}

/** Gives the elements that came out as NaN. */
async function quantizeWeight(pool: Pool, weight: Weight): Promise<number> {
  const prepared = await prepare(pool, weight);
  if (weight.tensorScale !== undefined) {
    writeBytes(weight.tensorScale, new Uint8Array(Uint32Array.of(prepared.tensorScale!).buffer));
  }
  let lost = 0;
  await forEachConcurrent(weight.plan.slices(), Math.max(1, pool.workers), async (slice) => {
    lost += await pool.run(jobOf('quantize', weight, slice, prepared));
  });
  return lost;
}

async function verifyWeight(pool: Pool, weight: Weight): Promise<number> {
  const prepared = await prepare(pool, weight);
  let mismatches = 0;
  if (weight.tensorScale !== undefined) {
    const stored = new Uint32Array(readBytes(weight.tensorScale, 4).buffer)[0];
    if (stored !== prepared.tensorScale) mismatches++;
  }
  await forEachConcurrent(weight.plan.slices(), Math.max(1, pool.workers), async (slice) => {
    const differing = (await pool.run(jobOf('verify', weight, slice, prepared))) as { codes: number; scales: number };
    mismatches += differing.codes + differing.scales;
  });
  return mismatches;
}
