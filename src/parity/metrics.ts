import { isInfCode } from '../numerics/decode-bits.ts';
import type { Tensor } from '../tensors/tensor.ts';
import { type LaneReader, laneReader } from './lanes.ts';

/** Elements of one sign and order of magnitude of ULP distance; `from` and `to` are inclusive and signed. */
export interface UlpBucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Numbers of expected and actual side by side. */
export interface Sides {
  readonly expected: number;
  readonly actual: number;
}

/** A 128 by 128 tile of the matrix [product of the leading extents, last extent]. */
export interface TileError {
  /** Tile row and tile column. */
  readonly tile: readonly [row: number, column: number];
  readonly mismatches: number;
  /** Largest |actual - expected| / |expected| over elements whose expected value is not zero. */
  readonly maxRelativeError: number;
  /** Norm of the error over the norm of the expected values; null where these are all zero. */
  readonly relativeNorm: number | null;
}

/**
 * How far two tensors lie apart. Errors and norms are over elements finite on both sides; shares are of all elements.
 * A ratio without meaning (nothing over nothing, no noise) is null, as JSON has no infinity.
 */
export interface Metrics {
  /** Signal to quantization noise, 10 log10(sum e^2 / sum (a - e)^2), in dB; null where the noise or the signal is zero. */
  readonly sqnr: number | null;
  /** Mean of actual - expected. */
  readonly bias: number;
  /** Sum of actual - expected over the sum of |expected|. */
  readonly relativeBias: number | null;
  readonly maxAbsoluteError: number;
  /** Largest |actual - expected| / |expected| over elements whose expected value is not zero. */
  readonly maxRelativeError: number;
  /** Elements that are not zero where zero is expected; they have no relative error. */
  readonly nonzeroForZero: number;
  /** Largest |actual - expected| over the root mean square of expected: fair to sums that cancel. */
  readonly maxErrorOverRms: number | null;
  /** DeepGEMM's 1 - 2 sum(ea) / sum(e^2 + a^2). For comparison only: it sees neither one wrong tile nor a missing promotion. */
  readonly calcDiff: number;
  /** Elements whose value lies below and above the expected; one-sided where chance would need more than five standard deviations. */
  readonly signs: { readonly below: number; readonly above: number; readonly oneSided: boolean };
  /** TileKernels' test of one-sided rounding: the share below and half the ties together are one half within 10 / sqrt(n). */
  readonly checkBias: {
    readonly below: number;
    readonly above: number;
    readonly ties: number;
    readonly limit: number;
    readonly within: boolean;
  };
  /** Elements that are NaN or Inf on one side alone. */
  readonly masks: {
    readonly nanExpectedOnly: number;
    readonly nanActualOnly: number;
    readonly infExpectedOnly: number;
    readonly infActualOnly: number;
  };
  /** Share of elements at the largest finite magnitude or beyond it. */
  readonly saturated: Sides;
  /** Share of elements that are zero. */
  readonly zero: Sides;
  /** Pairs of +0 and -0. */
  readonly zeroSigns: number;
  /** NaN on both sides with different bits. */
  readonly nanPayloads: number;
  /** Differing elements by signed ULP distance, ascending, empty buckets left out; pairs with a NaN are not in it. */
  readonly ulps: readonly UlpBucket[];
  /** The largest ULP distance; null where every differing pair has a NaN. */
  readonly maxUlps: number | null;
  readonly tiles: {
    readonly total: number;
    readonly differing: number;
    /** Tiles with the largest relative error, worst first. */
    readonly worst: readonly TileError[];
  };
}

const tileExtent = 128;
const tilesShown = 8;

/** Rows and columns of a tensor seen as a matrix [product of the leading extents, last extent]. */
export function matrixShape(shape: readonly number[]): readonly [rows: number, columns: number] {
  const columns = shape.at(-1) ?? 1;
  return [shape.slice(0, -1).reduce((product, extent) => product * extent, 1), columns];
}

/** Metrics of two tensors of the same dtype and shape. */
export function measure(expected: Tensor, actual: Tensor): Metrics {
  const reader = laneReader(expected.dtype);
  const errors = new ErrorSums();
  const ulps = new UlpCounts();
  const odd = new OddPairs(reader);
  const tiles = new TileSums(expected.shape);
  for (let i = 0; i < expected.codes.length; i++) {
    const x = expected.codes[i]!;
    const y = actual.codes[i]!;
    const e = reader.value(x);
    const a = reader.value(y);
    if (x !== y) {
      odd.add(x, y, e, a);
      // Only NaN differs from itself.
      // biome-ignore lint/suspicious/noSelfCompare: faster than Number.isNaN here
      if (e === e && a === a) ulps.add(reader.ordered(y) - reader.ordered(x));
    }
    odd.count(x, y, e, a);
    if (Number.isFinite(e) && Number.isFinite(a)) {
      errors.add(e, a);
      tiles.add(i, e, a, x !== y);
    } else if (x !== y) tiles.mark(i);
  }
  return {
    ...errors.result(),
    ...odd.result(expected.codes.length),
    ulps: ulps.buckets(),
    maxUlps: ulps.largest,
    tiles: tiles.result(),
  };
}

class ErrorSums {
  private count = 0;
  private signal = 0;
  private noise = 0;
  private cross = 0;
  private both = 0;
  private error = 0;
  private magnitude = 0;
  private below = 0;
  private above = 0;
  private largest = 0;
  private relative = 0;
  private nonzeroForZero = 0;

  add(e: number, a: number): void {
    const error = a - e;
    this.count++;
    this.signal += e * e;
    this.cross += e * a;
    this.both += e * e + a * a;
    this.magnitude += Math.abs(e);
    if (error === 0) return;
    if (error < 0) this.below++;
    else this.above++;
    this.noise += error * error;
    this.error += error;
    const size = Math.abs(error);
    if (size > this.largest) this.largest = size;
    if (e === 0) this.nonzeroForZero++;
    else this.relative = Math.max(this.relative, size / Math.abs(e));
  }

  result() {
    const n = Math.max(this.count, 1);
    const { below, above } = this;
    const ties = this.count - below - above;
    const limit = 10 / Math.sqrt(n);
    return {
      sqnr: this.noise === 0 || this.signal === 0 ? null : 10 * Math.log10(this.signal / this.noise),
      bias: this.error / n,
      relativeBias: this.magnitude === 0 ? null : this.error / this.magnitude,
      maxAbsoluteError: this.largest,
      maxRelativeError: this.relative,
      nonzeroForZero: this.nonzeroForZero,
      maxErrorOverRms: this.signal === 0 ? null : this.largest / Math.sqrt(this.signal / n),
      calcDiff: this.both === 0 ? 0 : 1 - (2 * this.cross) / this.both,
      signs: { below, above, oneSided: Math.abs(below - above) > 5 * Math.sqrt(below + above) },
      checkBias: {
        below: below / n,
        above: above / n,
        ties: ties / n,
        limit,
        within: this.count === 0 || Math.abs((below + ties / 2) / n - 0.5) <= limit,
      },
    };
  }
}

/** Signed power-of-two buckets: index 64 holds distance 0, 65 holds 1, 66 holds 2 and 3, 63 holds -1 ... */
class UlpCounts {
  private readonly counts = new Float64Array(129);
  largest: number | null = null;

  add(distance: number): void {
    const size = Math.abs(distance);
    this.largest = Math.max(this.largest ?? 0, size);
    const order = size === 0 ? 0 : Math.floor(Math.log2(size)) + 1;
    this.counts[64 + (distance < 0 ? -order : order)]! += 1;
  }

  buckets(): UlpBucket[] {
    return Array.from(this.counts, (count, index): UlpBucket => {
      const order = index - 64;
      const near = order === 0 ? 0 : 2 ** (Math.abs(order) - 1);
      const far = order === 0 ? 0 : 2 * near - 1;
      return order < 0 ? { from: -far, to: -near, count } : { from: near, to: far, count };
    }).filter((bucket) => bucket.count > 0);
  }
}

/** Counts of all that is not a plain finite pair: NaN, Inf, zeros and their signs, saturation. */
class OddPairs {
  private readonly masks = { nanExpectedOnly: 0, nanActualOnly: 0, infExpectedOnly: 0, infActualOnly: 0 };
  private readonly saturated = { expected: 0, actual: 0 };
  private readonly zero = { expected: 0, actual: 0 };
  private zeroSigns = 0;
  private nanPayloads = 0;
  private readonly limit: number;
  private readonly reader: LaneReader;

  constructor(reader: LaneReader) {
    this.reader = reader;
    this.limit = reader.format?.max ?? Number.POSITIVE_INFINITY;
  }

  /** Every pair. */
  count(x: number, y: number, e: number, a: number): void {
    if (e === 0) this.zero.expected++;
    if (a === 0) this.zero.actual++;
    if (this.isSaturated(x, e)) this.saturated.expected++;
    if (this.isSaturated(y, a)) this.saturated.actual++;
  }

  private isSaturated(code: number, value: number): boolean {
    const { format } = this.reader;
    return format !== undefined && (Math.abs(value) === this.limit || isInfCode(code, format));
  }

  /** A pair whose codes differ. */
  add(x: number, y: number, e: number, a: number): void {
    if (e === 0 && a === 0) this.zeroSigns++;
    const nanE = Number.isNaN(e);
    const nanA = Number.isNaN(a);
    if (nanE && nanA) this.nanPayloads++;
    else if (nanE) this.masks.nanExpectedOnly++;
    else if (nanA) this.masks.nanActualOnly++;
    const { format } = this.reader;
    if (format === undefined) return;
    const infE = isInfCode(x, format);
    const infA = isInfCode(y, format);
    if (infE && !infA) this.masks.infExpectedOnly++;
    if (infA && !infE) this.masks.infActualOnly++;
  }

  result(elements: number) {
    const share = ({ expected, actual }: Sides): Sides => {
      const n = Math.max(elements, 1);
      return { expected: expected / n, actual: actual / n };
    };
    const { masks, zeroSigns, nanPayloads } = this;
    return { masks, saturated: share(this.saturated), zero: share(this.zero), zeroSigns, nanPayloads };
  }
}

class TileSums {
  private readonly columns: number;
  private readonly tileColumns: number;
  private readonly mismatches: Float64Array;
  private readonly relative: Float64Array;
  private readonly noise: Float64Array;
  private readonly signal: Float64Array;

  constructor(shape: readonly number[]) {
    const [rows, columns] = matrixShape(shape);
    this.columns = columns;
    this.tileColumns = Math.ceil(columns / tileExtent);
    const total = Math.ceil(rows / tileExtent) * this.tileColumns;
    this.mismatches = new Float64Array(total);
    this.relative = new Float64Array(total);
    this.noise = new Float64Array(total);
    this.signal = new Float64Array(total);
  }

  private at(i: number): number {
    const row = Math.floor(i / this.columns);
    const column = i - row * this.columns;
    return Math.floor(row / tileExtent) * this.tileColumns + Math.floor(column / tileExtent);
  }

  /** A differing pair that is not finite on both sides. */
  mark(i: number): void {
    this.mismatches[this.at(i)]! += 1;
  }

  add(i: number, e: number, a: number, differs: boolean): void {
    const tile = this.at(i);
    this.signal[tile]! += e * e;
    if (!differs) return;
    this.mismatches[tile]! += 1;
    const error = Math.abs(a - e);
    this.noise[tile]! += error * error;
    if (e !== 0) this.relative[tile] = Math.max(this.relative[tile]!, error / Math.abs(e));
  }

  result(): Metrics['tiles'] {
    const differing = Array.from(this.mismatches.keys()).filter((tile) => this.mismatches[tile]! > 0);
    const worst = differing
      .sort((a, b) => this.relative[b]! - this.relative[a]! || this.mismatches[b]! - this.mismatches[a]! || a - b)
      .slice(0, tilesShown)
      .map((tile) => ({
        tile: [Math.floor(tile / this.tileColumns), tile % this.tileColumns] as const,
        mismatches: this.mismatches[tile]!,
        maxRelativeError: this.relative[tile]!,
        relativeNorm: this.signal[tile] === 0 ? null : Math.sqrt(this.noise[tile]! / this.signal[tile]!),
      }));
    return { total: this.mismatches.length, differing: differing.length, worst };
  }
}
