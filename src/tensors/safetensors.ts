import { inputError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import {
  fileLimits,
  type HeaderLimits,
  headerLength,
  lengthBytes,
  parseHeader,
  shortName,
  type TensorEntry,
} from './header.ts';
import { packedBytes, unpackCodes } from './packing.ts';
import { type Codes, dtypeBits, elementCount, type Tensor } from './tensor.ts';

/** An open safetensors file: its header is read, its data is not. */
export interface SafetensorsFile {
  readonly source: ByteSource;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads and checks the header of a file. Errors: docs/checkpoints.md lists their codes. */
export async function openSafetensors(source: ByteSource, limits: HeaderLimits = fileLimits): Promise<SafetensorsFile> {
  const prefix = await source.read(0, Math.min(lengthBytes, source.size));
  const length = headerLength(prefix, source.name, source.size, limits);
  const bytes = await source.read(lengthBytes, length);
  return { source, ...parseHeader(bytes, source.name, source.size, limits) };
}

/** The entry of a tensor; a name that is not there is an error that lists those nearest to it in the file. */
export function entryOf(file: SafetensorsFile, name: string): TensorEntry {
  const entry = file.entries.get(name);
  if (entry !== undefined) return entry;
  const some = Array.from(file.entries.keys()).slice(0, 8).map(shortName).join(', ');
  throw inputError(
    `no tensor ${shortName(name)}; the file has ${file.entries.size}: ${some || 'none'}`,
    'missing-tensor',
    file.source.name,
    'name a tensor of the file; `fp8lab inspect` lists them',
  );
}

/** A whole tensor, one code a lane. dtypes of 64 bits are refused. */
export async function readTensor(file: SafetensorsFile, name: string): Promise<Tensor> {
  const entry = entryOf(file, name);
  const codes = await readElements(file, entry, 0, elementCount(entry.shape));
  return { dtype: entry.dtype, shape: entry.shape, codes };
}

/** Rows [first, first + count) of a tensor seen as a matrix [product of the leading extents, last extent]; only their bytes are read. */
export async function readRows(file: SafetensorsFile, name: string, first: number, count: number): Promise<Tensor> {
  const entry = entryOf(file, name);
  const columns = entry.shape.at(-1) ?? 1;
  const codes = await readElements(file, entry, first * columns, count * columns);
  return { dtype: entry.dtype, shape: [count, columns], codes };
}

/** Elements [first, first + count) in row-major order, one code a lane. */
export async function readElements(
  file: SafetensorsFile,
  entry: TensorEntry,
  first: number,
  count: number,
): Promise<Codes> {
  const { dtype, name } = entry;
  if (dtypeBits[dtype] > 32) {
    const fix = `convert it to ${dtype === 'F64' ? 'F32 or BF16' : 'I32'} first`;
    throw inputError(
      `${dtype} is not read`,
      'unsupported-dtype',
      `${file.source.name}, tensor ${shortName(name)}`,
      fix,
    );
  }
  if (first < 0 || count < 0 || first + count > elementCount(entry.shape)) {
    const problem = `elements ${first} to ${first + count} of ${elementCount(entry.shape)}`;
    throw inputError(problem, 'out-of-range', `${file.source.name}, tensor ${shortName(name)}`, 'ask for less');
  }
  // Groups of eight start on a byte in every dtype.
  const group = Math.floor(first / 8) * 8;
  const begin = entry.begin + packedBytes(dtype, group);
  const length = packedBytes(dtype, first + count - group);
  return unpackCodes(await file.source.read(begin, length), dtype, count, first - group);
}
