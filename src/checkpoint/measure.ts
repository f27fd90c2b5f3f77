import { decodeTable } from '../numerics/decode-bits.ts';
import { formats } from '../numerics/formats.ts';
import { scaleBits, tensorScaleBits } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { scaleFactors } from './fast-dequantize.ts';
import { quantizeSlice } from './fast-quantize.ts';
import { type Bounds, type Tiling, tilesOf, tilingOf } from './slices.ts';

/** What one scheme does to values: sums that add up over slices. Only elements that are finite before and after count in the energies. */
export interface SchemeMeasure {
  /** Sum of (x - dequantized x)^2. */
  readonly error: number;
  /** Elements whose code is the largest though their scaled value was beyond it. */
  readonly saturated: number;
  /** Nonzero elements whose code is zero. */
  readonly underflowed: number;
  /** Elements that became NaN. */
  readonly lost: number;
}

/** What is in a slice, and what each scheme does to it. */
export interface SliceMeasure {
  readonly elements: number;
  readonly nan: number;
  readonly inf: number;
  readonly zero: number;
  /** Sum of x^2 over the finite elements. */
  readonly energy: number;
  readonly schemes: readonly SchemeMeasure[];
}

/**
 * Measures a slice of a matrix [rows, columns]. A slice that cuts tiles is measured by the amax it sees; `tensorAmax` (f32 bits) is the whole
 * tensor's, for schemes of one scale a tensor and nvfp4.
 */
export function measureSlice(
  words: Uint32Array,
  slice: Bounds,
  matrix: { readonly rows: number; readonly columns: number },
  schemes: readonly Scheme[],
  tensorAmax: number,
): SliceMeasure {
  const values = new Float32Array(words.slice().buffer);
  const counts = { elements: words.length, nan: 0, inf: 0, zero: 0, energy: 0 };
  for (const value of values) {
    if (value === 0) counts.zero++;
    else if (Number.isFinite(value)) counts.energy += value * value;
    else if (Number.isNaN(value)) counts.nan++;
    else counts.inf++;
  }
  const scratch = new Uint32Array(words.length);
  const measured = schemes.map((scheme) => {
    scratch.set(words);
    return measureScheme(
      values,
      scratch,
      slice,
      tilingOf(matrix.rows, matrix.columns, scheme.tile),
      scheme,
      tensorAmax,
    );
  });
  return { ...counts, schemes: measured };
}

function measureScheme(
  values: Float32Array,
  scratch: Uint32Array,
  slice: Bounds,
  tiling: Tiling,
  scheme: Scheme,
  tensorAmax: number,
): SchemeMeasure {
  const tensorScale = scheme.scale.recipe === 'nvfp4' ? tensorScaleBits(tensorAmax) : undefined;
  const amax = scheme.tile[0] === 0 && scheme.tile[1] === 0 ? Uint32Array.of(tensorAmax) : undefined;
  const quantized = quantizeSlice(scratch, slice, tiling, scheme, amax, tensorScale);
  const stored = Uint32Array.from(quantized.scales, (code) => scaleBits(code, scheme, tensorScale));
  const factors = scaleFactors(stored, 'f32');
  return compare(values, quantized.codes, factors, slice, tiling, scheme);
}

function compare(
  values: Float32Array,
  codes: Uint8Array,
  factors: Float32Array,
  slice: Bounds,
  tiling: Tiling,
  scheme: Scheme,
): SchemeMeasure {
  const format = formats[scheme.format];
  const decoded = new Float32Array(decodeTable(format).slice().buffer);
  const magnitudeMask = 2 ** (format.bits - 1) - 1;
  const tiles = tilesOf(slice, tiling);
  const width = slice.right - slice.left;
  // A value that rounds down to the largest code is not yet saturated; past half a step beyond it, it is.
  const step = format.max - decoded[format.maxCode - 1]!;
  let error = 0;
  let saturated = 0;
  let underflowed = 0;
  let lost = 0;
  const across = tiles.right - tiles.left;
  for (let row = slice.top; row < slice.bottom; row++) {
    const line = (Math.floor(row / tiling.tileRows) - tiles.top) * across;
    const start = (row - slice.top) * width - slice.left;
    for (let tile = 0; tile < across; tile++) {
      const factor = factors[line + tile]!;
      const limit = (format.max + step / 2) * factor;
      const first = Math.max((tiles.left + tile) * tiling.tileColumns, slice.left);
      const end = start + Math.min((tiles.left + tile + 1) * tiling.tileColumns, slice.right);
      for (let i = start + first; i < end; i++) {
        const value = values[i]!;
        const back = decoded[codes[i]!]! * factor;
        const difference = value - back;
        const square = difference * difference;
        if (square < Number.POSITIVE_INFINITY) error += square;
        else if (Number.isNaN(back)) lost++;
        const magnitude = codes[i]! & magnitudeMask;
        if (magnitude === 0 && value !== 0) underflowed++;
        if (magnitude === format.maxCode && Math.abs(value) > limit) saturated++;
      }
    }
  }
  return { error, saturated, underflowed, lost };
}

/** Sum of two measures of the same schemes. */
export function addMeasures(a: SliceMeasure, b: SliceMeasure): SliceMeasure {
  return {
    elements: a.elements + b.elements,
    nan: a.nan + b.nan,
    inf: a.inf + b.inf,
    zero: a.zero + b.zero,
    energy: a.energy + b.energy,
    schemes: a.schemes.map((scheme, i) => ({
      error: scheme.error + b.schemes[i]!.error,
      saturated: scheme.saturated + b.schemes[i]!.saturated,
      underflowed: scheme.underflowed + b.schemes[i]!.underflowed,
      lost: scheme.lost + b.schemes[i]!.lost,
    })),
  };
}
