import { fromBits } from '../numerics/f32.ts';
import { formats } from '../numerics/formats.ts';
import type { Scheme } from '../numerics/scheme.ts';
import type { DType } from '../tensors/tensor.ts';
import { type Checkpoint, type Located, regionOf } from './checkpoint.ts';
import { addMeasures, type SliceMeasure } from './measure.ts';
import { forEachConcurrent, type Pool } from './pool.ts';
import { tileAmax } from './quantize.ts';
import { type Bounds, planSlices, type SlicePlan, tilingOf } from './slices.ts';

/** A scheme to be tried, by its preset's name. */
export interface Candidate {
  readonly name: string;
  readonly scheme: Scheme;
}

/** What one scheme would do to a tensor. */
export interface SchemeReport {
  readonly scheme: string;
  /** Signal to quantization noise in decibels; null where nothing is lost or nothing is there. */
  readonly sqnr: number | null;
  /** Share of elements clipped to the largest code. */
  readonly saturated: number;
  /** Share of nonzero elements that become zero. */
  readonly underflowed: number;
  /** Share of elements that become NaN (a NaN or Inf in their tile). */
  readonly lost: number;
  /** Bits an element takes, scales included. */
  readonly bits: number;
}

/** What is known of a tensor. Fields past `shape` are there for F32, F16 and BF16 tensors alone. */
export interface TensorReport {
  readonly name: string;
  readonly file: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements looked at; fewer than the tensor has where it was sampled. */
  readonly measured?: number;
  readonly amax?: number;
  readonly nan?: number;
  readonly inf?: number;
  readonly schemes?: readonly SchemeReport[];
  /** Scheme of the best SQNR; the fewest bits decide a tie. */
  readonly best?: string;
}

/**
 * Reports every tensor of a checkpoint. `sample` bounds the elements looked at in each (evenly spread slices); 0 looks at all.
 * `visit` is called as each is done, in the order of their coming.
 */
export async function inspectCheckpoint(
  checkpoint: Checkpoint,
  candidates: readonly Candidate[],
  sample: number,
  pool: Pool,
  visit: (report: TensorReport) => void = () => {},
): Promise<readonly TensorReport[]> {
  const reports: TensorReport[] = [];
  for (const located of Array.from(checkpoint.tensors.values()).sort(byName)) {
    const report = await inspectTensor(located, candidates, sample, pool);
    reports.push(report);
    visit(report);
  }
  return reports;
}

const byName = (a: Located, b: Located): number => (a.entry.name < b.entry.name ? -1 : 1);

async function inspectTensor(
  located: Located,
  candidates: readonly Candidate[],
  sample: number,
  pool: Pool,
): Promise<TensorReport> {
  const { name, dtype, shape } = located.entry;
  const basics = { name, file: located.shard.name, dtype, shape };
  const source = regionOf(located);
  const count = source.rows * source.columns;
  if ((dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') || count === 0) return basics;
  const tiling = tilingOf(source.rows, source.columns, [128, 128]);
  const plan = sampled(planSlices(source.rows, source.columns, tiling), sample);
  const whole = await tileAmax(pool, source, tilingOf(source.rows, source.columns, [0, 0]), plan);
  const schemes = candidates.map(({ scheme }) => scheme);
  let total: SliceMeasure | undefined;
  await forEachConcurrent(plan.slices(), Math.max(1, pool.workers), async (slice) => {
    const part = (await pool.run({
      kind: 'measure',
      source,
      slice,
      schemes,
      tensorAmax: whole[0]!,
    })) as SliceMeasure;
    total = total === undefined ? part : addMeasures(total, part);
  });
  const rows = candidates.map((candidate, i) => schemeReport(candidate, total!, i, source.rows, source.columns));
  const best = rows.reduce((a, b) => (better(b, a) ? b : a), rows[0]!);
  return {
    ...basics,
    measured: total!.elements,
    amax: fromBits(whole[0]!),
    nan: total!.nan,
    inf: total!.inf,
    schemes: rows,
    ...(best && { best: best.scheme }),
  };
}

/** Every n-th slice, so that about `sample` elements are looked at. */
function sampled(plan: SlicePlan, sample: number): SlicePlan {
  if (sample === 0) return plan;
  const all = Array.from(plan.slices());
  const size = ({ top, bottom, left, right }: Bounds): number => (bottom - top) * (right - left);
  const wanted = Math.max(1, Math.round(sample / size(all[0]!)));
  if (wanted >= all.length) return plan;
  const stride = all.length / wanted;
  return { whole: plan.whole, slices: () => Array.from({ length: wanted }, (_, i) => all[Math.floor(i * stride)]!) };
}

function schemeReport(
  { name, scheme }: Candidate,
  total: SliceMeasure,
  index: number,
  rows: number,
  columns: number,
): SchemeReport {
  const { error, saturated, underflowed, lost } = total.schemes[index]!;
  const { tileRows, tileColumns } = tilingOf(rows, columns, scheme.tile);
  const share = (count: number): number => count / total.elements;
  return {
    scheme: name,
    sqnr: error === 0 || total.energy === 0 ? null : 10 * Math.log10(total.energy / error),
    saturated: share(saturated),
    underflowed: share(underflowed),
    lost: share(lost),
    bits: formats[scheme.format].bits + formats[scheme.scale.type].bits / (tileRows * tileColumns),
  };
}

function better(a: SchemeReport, b: SchemeReport): boolean {
  if (a.lost !== b.lost) return a.lost < b.lost;
  const [left, right] = [a.sqnr ?? Number.POSITIVE_INFINITY, b.sqnr ?? Number.POSITIVE_INFINITY];
  return left === right ? a.bits < b.bits : left > right;
}
