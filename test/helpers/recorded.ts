import { readFileSync } from 'node:fs';

/** What real tensor cores returned; see test/data/tensor-core/README.md. */
export interface Recorded {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly c: Uint32Array | undefined;
  readonly d: Uint32Array;
}

/** Reads a recorded file. */
export function recorded(device: 'h100' | 'l40s', format: 'e4m3' | 'e5m2'): Recorded {
  const file = readFileSync(new URL(`../data/tensor-core/${device}-${format}.safetensors`, import.meta.url));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  const bytes = (name: string): Uint8Array => {
    const [begin, end] = header[name].data_offsets;
    return Uint8Array.from(file.subarray(8 + length + begin, 8 + length + end));
  };
  const c = header.c === undefined ? undefined : new Uint32Array(bytes('c').buffer);
  return { a: bytes('a'), b: bytes('b'), c, d: new Uint32Array(bytes('d').buffer) };
}
