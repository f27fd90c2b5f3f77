import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { inputError } from '../errors.ts';
import { shortRead } from '../tensors/byte-source.ts';
import { readError, writeError } from '../tensors/files.ts';
import { type DType, dtypeBits } from '../tensors/tensor.ts';
import type { Bounds } from './slices.ts';

/** A byte offset in a file. */
export interface Place {
  readonly file: string;
  readonly offset: number;
}

/** A row-major matrix in a file; rows fill whole bytes. */
export interface Region extends Place {
  readonly dtype: DType;
  readonly rows: number;
  readonly columns: number;
}

/** Reads whole, synchronously: worker threads have nothing else to do meanwhile. */
export function readBytes({ file, offset }: Place, length: number): Uint8Array {
  return withFile(file, constants.O_RDONLY, readError, (handle) => {
    const bytes = new Uint8Array(length);
    readInto(handle, bytes, offset, file);
    return bytes;
  });
}

/** The bytes of a rectangle of a matrix, its rows one after another. */
export function readSlice(region: Region, slice: Bounds): Uint8Array {
  const { rowBytes, sliceBytes, start } = geometry(region, slice);
  const rows = slice.bottom - slice.top;
  if (sliceBytes === rowBytes) return readBytes({ file: region.file, offset: start }, rows * rowBytes);
  return withFile(region.file, constants.O_RDONLY, readError, (handle) => {
    const bytes = new Uint8Array(rows * sliceBytes);
    for (let row = 0; row < rows; row++) {
      const line = bytes.subarray(row * sliceBytes, (row + 1) * sliceBytes);
      readInto(handle, line, start + row * rowBytes, region.file);
    }
    return bytes;
  });
}

/** Writes bytes into an existing file. */
export function writeBytes({ file, offset }: Place, bytes: Uint8Array): void {
  withFile(file, constants.O_WRONLY, writeError, (handle) => writeAll(handle, bytes, offset));
}

/** Writes a rectangle of a matrix, its rows one after another in `bytes`. */
export function writeSlice(region: Region, slice: Bounds, bytes: Uint8Array): void {
  const { rowBytes, sliceBytes, start } = geometry(region, slice);
  if (sliceBytes === rowBytes) {
    writeBytes({ file: region.file, offset: start }, bytes);
    return;
  }
  withFile(region.file, constants.O_WRONLY, writeError, (handle) => {
    for (let row = 0; row < slice.bottom - slice.top; row++) {
      writeAll(handle, bytes.subarray(row * sliceBytes, (row + 1) * sliceBytes), start + row * rowBytes);
    }
  });
}

function geometry(region: Region, { top, left, right }: Bounds) {
  const bits = dtypeBits[region.dtype];
  const rowBytes = (region.columns * bits) / 8;
  return {
    rowBytes,
    sliceBytes: ((right - left) * bits) / 8,
    start: region.offset + top * rowBytes + (left * bits) / 8,
  };
}

function withFile<T>(
  file: string,
  flags: number,
  explain: (cause: unknown, path: string) => Error,
  use: (handle: number) => T,
): T {
  try {
    const handle = openSync(file, flags);
    try {
      return use(handle);
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    throw explain(cause, file);
  }
}

function readInto(handle: number, bytes: Uint8Array, offset: number, file: string): void {
  for (let got = 0; got < bytes.length; ) {
    const part = readSync(handle, bytes, got, Math.min(bytes.length - got, 2 ** 30), offset + got);
    if (part === 0) throw shortRead(file, offset, bytes.length, got);
    got += part;
  }
}

function writeAll(handle: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(handle, bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done);
  }
}

/** Refuses a matrix whose rows end within a byte: slices of it could not be written apart. */
export function requireWholeBytes(region: Region, name: string): void {
  if ((region.columns * dtypeBits[region.dtype]) % 8 === 0) return;
  const problem = `rows of ${region.columns} ${region.dtype} elements do not fill whole bytes`;
  throw inputError(problem, 'odd-columns', `${region.file}, tensor ${name}`, 'leave this tensor out with --exclude');
}
