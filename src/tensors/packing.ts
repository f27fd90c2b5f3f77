import { allocateCodes, type Codes, type DType, dtypeBits } from './tensor.ts';

/** Bytes of `count` elements of a dtype in a file. E5M6 comes in groups of eight codes; F4 and F6 fill the last byte with zeros. */
export function packedBytes(dtype: DType, count: number): number {
  if (dtype === 'E5M6') return Math.ceil(count / 8) * 12;
  return Math.ceil((count * dtypeBits[dtype]) / 8);
}

/**
 * Elements, one a lane, to the bytes of a file, little-endian. F4 and F6 are a stream of bits from the low end: of an F4 byte the low nibble
 * is the even element. E5M6: see {@link packE5m6}.
 */
export function packCodes(codes: Codes, dtype: DType): Uint8Array {
  switch (dtype) {
    case 'E5M6':
      return packE5m6(codes);
    case 'F4':
      return packNibbles(codes);
    case 'F6_E2M3':
    case 'F6_E3M2':
      return packBits(codes, 6);
    default:
      return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  }
}

/**
 * `count` elements from the bytes of a file; `skip` elements before them are passed over. Formats that fill bytes are viewed where the bytes
 * are aligned, copied where not.
 */
export function unpackCodes(bytes: Uint8Array, dtype: DType, count: number, skip = 0): Codes {
  switch (dtype) {
    case 'E5M6':
      return unpackE5m6(bytes, count, skip);
    case 'F4':
      return unpackNibbles(bytes, count, skip);
    case 'F6_E2M3':
    case 'F6_E3M2':
      return unpackBits(bytes, 6, count, skip);
    default:
      return viewCodes(bytes, dtype, count, skip);
  }
}

function viewCodes(bytes: Uint8Array, dtype: DType, count: number, skip: number): Codes {
  const width = dtypeBits[dtype] / 8;
  const aligned = (bytes.byteOffset + skip * width) % width === 0;
  const part = bytes.subarray(skip * width, (skip + count) * width);
  const { buffer, byteOffset } = aligned ? part : part.slice();
  if (width === 1) return new Uint8Array(buffer, byteOffset, count);
  return width === 2 ? new Uint16Array(buffer, byteOffset, count) : new Uint32Array(buffer, byteOffset, count);
}

function packNibbles(codes: Codes): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  const pairs = codes.length >> 1;
  for (let i = 0; i < pairs; i++) bytes[i] = (codes[2 * i]! & 15) | (codes[2 * i + 1]! << 4);
  if (codes.length % 2 === 1) bytes[pairs] = codes[codes.length - 1]! & 15;
  return bytes;
}

function unpackNibbles(bytes: Uint8Array, count: number, skip: number): Codes {
  const codes = new Uint8Array(count);
  for (let i = 0; i < count; i++) codes[i] = (bytes[(skip + i) >> 1]! >> (((skip + i) & 1) << 2)) & 15;
  return codes;
}

function packBits(codes: Codes, bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((codes.length * bits) / 8));
  for (let i = 0; i < codes.length; i++) {
    const at = i * bits;
    const value = (codes[i]! & (2 ** bits - 1)) << (at % 8);
    bytes[Math.floor(at / 8)]! |= value;
    if (value > 0xff) bytes[Math.floor(at / 8) + 1]! |= value >> 8;
  }
  return bytes;
}

function unpackBits(bytes: Uint8Array, bits: number, count: number, skip: number): Codes {
  const codes = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = (skip + i) * bits;
    const byte = Math.floor(at / 8);
    codes[i] = ((((bytes[byte + 1] ?? 0) << 8) | bytes[byte]!) >> (at % 8)) & (2 ** bits - 1);
  }
  return codes;
}

/**
 * E5M6 as TileKernels lays it out: eight 12-bit codes h0..h7 in three little-endian u32, w0 = h0<<20 | h1<<8 | h2>>4,
 * w1 = h2<<28 | h3<<16 | h4<<4 | h5>>8, w2 = h5<<24 | h6<<12 | h7; the last group is filled with zeros.
 */
export function packE5m6(codes: Codes): Uint8Array {
  const groups = Math.ceil(codes.length / 8);
  const words = new Uint32Array(3 * groups);
  const h = new Uint32Array(8);
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < 8; i++) h[i] = (codes[8 * group + i] ?? 0) & 0xfff;
    words[3 * group] = (h[0]! << 20) | (h[1]! << 8) | (h[2]! >> 4);
    words[3 * group + 1] = (h[2]! << 28) | (h[3]! << 16) | (h[4]! << 4) | (h[5]! >> 8);
    words[3 * group + 2] = (h[5]! << 24) | (h[6]! << 12) | h[7]!;
  }
  return new Uint8Array(words.buffer);
}

/** The way back of {@link packE5m6}: `count` codes after the first `skip`. */
export function unpackE5m6(bytes: Uint8Array, count: number, skip = 0): Codes {
  const words = viewCodes(bytes, 'U32', Math.floor(bytes.length / 4), 0);
  const codes = allocateCodes('E5M6', count);
  for (let i = 0; i < count; i++) {
    const group = Math.floor((skip + i) / 8) * 3;
    const w0 = words[group]!;
    const w1 = words[group + 1]!;
    const w2 = words[group + 2]!;
    switch ((skip + i) % 8) {
      case 0:
        codes[i] = w0 >>> 20;
        break;
      case 1:
        codes[i] = (w0 >>> 8) & 0xfff;
        break;
      case 2:
        codes[i] = ((w0 & 0xff) << 4) | (w1 >>> 28);
        break;
      case 3:
        codes[i] = (w1 >>> 16) & 0xfff;
        break;
      case 4:
        codes[i] = (w1 >>> 4) & 0xfff;
        break;
      case 5:
        codes[i] = ((w1 & 0xf) << 8) | (w2 >>> 24);
        break;
      case 6:
        codes[i] = (w2 >>> 12) & 0xfff;
        break;
      default:
        codes[i] = w2 & 0xfff;
    }
  }
  return codes;
}
