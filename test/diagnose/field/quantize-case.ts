import type { Convention } from '../../../src/diagnose/index.ts';
import type { FormatName } from '../../../src/numerics/formats.ts';
import { dtypeOfFormat, type Tensor } from '../../../src/tensors/tensor.ts';
import { quantizeSpec, type SchemeFields, schemeOf } from '../../helpers/specs.ts';
import type { BlindCase } from '../blind/draw.ts';
import { bitsOf, e2m1, encode, exponentOf, f32Of, type Small, toBf16, type Way } from '../blind/numbers.ts';
import { normal, randomOf } from '../blind/random.ts';

const r = Math.fround;
/** Extents of the matrix. */
export const rows = 64;
export const columns = 1024;

/** What a quantizer of the field makes of one tile: the scale that it stores, and the value that each element is cast from. */
export type Tile = (amax: number) => { readonly stored: number; readonly cast: (x: number) => number };

/** A quantizer that somebody has, or a slip in one, and what the spec that its user gives says. */
export interface Quantizer {
  readonly name: string;
  readonly spec: SchemeFields;
  readonly tile: readonly [number, number];
  readonly format: FormatName;
  readonly small: Small;
  readonly way?: Way | 'down-at-ties';
  readonly of: Tile;
  /** Scales as powers of two in a byte. */
  readonly bytes?: boolean;
  /** Changes codes and scales, as they lie in memory. */
  readonly lay?: (codes: Uint8Array, scales: number[]) => { readonly codes: Uint8Array; readonly scales: number[] };
  readonly expect: readonly Convention[];
}

/** Tokens of very different size, and some of zeros or next to it, so that floors show. */
function data(): Float64Array {
  const random = randomOf(77);
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    const size = row % 16 === 3 ? 2 ** -30 : row % 16 === 9 ? 2 ** -14 : row % 16 === 12 ? 2 ** -60 : 1;
    return f32Of((toBf16(r(size * normal(random))) << 16) >>> 0);
  });
}

function codeOf(x: number, { small, way }: Quantizer): number {
  const signBit = small === e2m1 ? 8 : 0x80;
  if (way !== 'down-at-ties') return encode(x, small, way ?? 'even', signBit);
  const cut = encode(x, small, 'zero', signBit);
  const [low, high] = [small.values[cut & (signBit - 1)]!, small.values[(cut & (signBit - 1)) + 1]];
  return high !== undefined && Math.abs(x) > (low + high) / 2 ? cut + 1 : cut;
}

/** Runs a quantizer on its input. */
export function quantizeFieldCase(quantizer: Quantizer): BlindCase {
  const x = data();
  const [tileRows, tileColumns] = quantizer.tile;
  const [down, across] = [Math.ceil(rows / tileRows), Math.ceil(columns / tileColumns)];
  const tileOf = (i: number): number =>
    Math.floor(Math.floor(i / columns) / tileRows) * across + Math.floor((i % columns) / tileColumns);
  const amax = new Float64Array(down * across);
  x.forEach((value, i) => {
    amax[tileOf(i)] = Math.max(amax[tileOf(i)]!, Math.abs(value));
  });
  const tiles = Array.from(amax, (it) => quantizer.of(it));
  const codes = Uint8Array.from(x, (value, i) => {
    const code = codeOf(tiles[tileOf(i)]!.cast(value), quantizer);
    return quantizer.format === 'e4m3fnuz' && code === 0x80 ? 0 : code;
  });
  const lanes = tiles.map(({ stored }) => (quantizer.bytes ? Math.max(exponentOf(stored) + 127, 0) : bitsOf(stored)));
  const laid = quantizer.lay?.(codes, lanes) ?? { codes, scales: lanes };
  const scales: Tensor = {
    dtype: quantizer.bytes ? 'F8_E8M0' : 'F32',
    shape: [down, across],
    codes: quantizer.bytes ? Uint8Array.from(laid.scales) : Uint32Array.from(laid.scales),
  };
  return {
    name: quantizer.name,
    spec: quantizeSpec(rows, columns, schemeOf(quantizer.spec)),
    inputs: { x: { dtype: 'BF16', shape: [rows, columns], codes: Uint16Array.from(x, (v) => toBf16(v)) } },
    actual: {
      codes: { dtype: dtypeOfFormat[quantizer.format], shape: [rows, columns], codes: laid.codes },
      scales,
    },
    expect: quantizer.expect,
  };
}
