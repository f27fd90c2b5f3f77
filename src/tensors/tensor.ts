import type { FormatName } from '../numerics/formats.ts';

/** Element types, by their safetensors names; E5M6 has none there and is written as packed U8. */
export type DType =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'F8_E4M3FNUZ'
  | 'F8_E5M2FNUZ'
  | 'F8_E8M0'
  | 'F6_E2M3'
  | 'F6_E3M2'
  | 'F4'
  | 'E5M6'
  | 'F64'
  | 'BOOL'
  | 'U8'
  | 'I8'
  | 'U16'
  | 'I16'
  | 'U32'
  | 'I32'
  | 'U64'
  | 'I64';

/** Bits an element of each dtype takes in a file. */
export const dtypeBits: Readonly<Record<DType, number>> = {
  F32: 32,
  F16: 16,
  BF16: 16,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
  E5M6: 12,
  F64: 64,
  BOOL: 8,
  U8: 8,
  I8: 8,
  U16: 16,
  I16: 16,
  U32: 32,
  I32: 32,
  U64: 64,
  I64: 64,
};

/** The dtype that holds codes of a format. */
export const dtypeOfFormat: Readonly<Record<FormatName, DType>> = {
  e4m3: 'F8_E4M3',
  e5m2: 'F8_E5M2',
  e8m0: 'F8_E8M0',
  e2m1: 'F4',
  e2m3: 'F6_E2M3',
  e3m2: 'F6_E3M2',
  e5m6: 'E5M6',
  e4m3fnuz: 'F8_E4M3FNUZ',
  e5m2fnuz: 'F8_E5M2FNUZ',
  bf16: 'BF16',
  f16: 'F16',
  f32: 'F32',
};

/** One code a lane: Uint8Array up to 8 bits, Uint16Array up to 16, Uint32Array for f32 bits. */
export type Codes = Uint8Array | Uint16Array | Uint32Array;

/**
 * A tensor in memory: row-major, one code a lane (sub-byte formats are packed only in files).
 * `codes.length` is the product of `shape`. f32 values are held as their bits.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly codes: Codes;
}

/** Named tensors: the inputs or results of a kernel. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Name, dtype and shape of a tensor, without its content. */
export interface TensorDeclaration {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A zeroed lane array fit for a dtype of at most 32 bits. */
export function allocateCodes(dtype: DType, length: number): Codes {
  const bits = dtypeBits[dtype];
  if (bits <= 8) return new Uint8Array(length);
  if (bits <= 16) return new Uint16Array(length);
  return new Uint32Array(length);
}

/** Memory of tensors, for another thread to take over instead of a copy; views of one buffer name it once. */
export function buffersOf(tensors: Tensors): ArrayBuffer[] {
  return [...new Set(Object.values(tensors).map(({ codes }) => codes.buffer as ArrayBuffer))];
}
