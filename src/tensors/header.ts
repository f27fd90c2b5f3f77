import { inputError } from '../errors.ts';
import { packedBytes } from './packing.ts';
import { type DType, dtypeBits, elementCount, type TensorDeclaration } from './tensor.ts';

/** Where a tensor lies in its file: absolute byte range [begin, end). */
export interface TensorEntry extends TensorDeclaration {
  readonly begin: number;
  readonly end: number;
}

/** A parsed safetensors header. */
export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a reader is willing to take. */
export interface HeaderLimits {
  /** Longest header in bytes. */
  readonly headerBytes: number;
  /** Most tensors. */
  readonly tensors: number;
}

/** The limits of the format's own reader: a header of 100 MB, any number of tensors. */
export const fileLimits: HeaderLimits = { headerBytes: 100_000_000, tensors: Number.POSITIVE_INFINITY };

/** Limits for a page, which has less memory and an impatient reader. */
export const browserLimits: HeaderLimits = { headerBytes: 16_000_000, tensors: 20_000 };

/** Bytes before the header: its length as a little-endian u64. */
export const lengthBytes = 8;

/** Metadata key that lists E5M6 tensors, which safetensors has no name for: JSON of tensor name to logical shape; they lie packed as U8. */
export const e5m6Key = 'fp8lab.e5m6';

/** A tensor's name fit for a message: shortened, control characters escaped. */
export function shortName(name: string): string {
  const text = JSON.stringify(name);
  return text.length <= 82 ? text : `${text.slice(0, 60)}…${text.slice(-20)}`;
}

/** Length of the header, from the first eight bytes of a file of `fileSize` bytes. */
export function headerLength(prefix: Uint8Array, file: string, fileSize: number, limits: HeaderLimits): number {
  if (prefix.length < lengthBytes) {
    throw headerError('too small to be a safetensors file', 'truncated-header', file, 0, fetchAgain);
  }
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > limits.headerBytes) {
    const problem = `the header says it is ${length} bytes long; at most ${limits.headerBytes} are read`;
    throw headerError(problem, 'header-too-large', file, 0, 'check that this is a safetensors file');
  }
  if (lengthBytes + length > fileSize) {
    const problem = `the header is ${length} bytes long, the file only ${fileSize}`;
    throw headerError(problem, 'truncated-header', file, 0, fetchAgain);
  }
  return length;
}

/**
 * Parses the bytes of a header (without the length before it) as strictly as the format's own reader, and more: every field known, every number a
 * plain integer, no duplicate key, the data gapless from the first byte to the last of the file.
 */
export function parseHeader(bytes: Uint8Array, file: string, fileSize: number, limits: HeaderLimits): Header {
  const text = decodeText(bytes, file);
  const raw = parseObject(text, file);
  const positions = scanKeys(text, file);
  const dataBegin = lengthBytes + bytes.length;
  const where = (name: string): string =>
    `${file}, tensor ${shortName(name)}, byte ${offsetOf(text, positions.get(name))}`;
  const entries: TensorEntry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (name === '__metadata__') metadata = readMetadata(value, file, offsetOf(text, positions.get(name)));
    else entries.push(readEntry(name, value, dataBegin, where));
  }
  if (entries.length > limits.tensors) {
    const problem = `the file has ${entries.length} tensors; at most ${limits.tensors} are read`;
    throw headerError(problem, 'too-many-tensors', file, lengthBytes, 'use the command line, which has no such limit');
  }
  requireGapless(entries, dataBegin, fileSize, file, where);
  return { entries: withE5m6(new Map(entries.map((entry) => [entry.name, entry])), metadata, file), metadata };
}

const fetchAgain = 'the file was cut or is no safetensors file; fetch it again';

function headerError(problem: string, code: string, file: string, offset: number, fix: string): Error {
  return inputError(problem, code, `${file}, byte ${offset}`, fix);
}

function decodeText(bytes: Uint8Array, file: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw inputError('the header is not UTF-8', 'header-not-utf8', `${file}, byte ${lengthBytes}`, fetchAgain, cause);
  }
  if (text.startsWith('{')) return text;
  throw headerError('the header does not begin with {', 'header-not-json', file, lengthBytes, fetchAgain);
}

function parseObject(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 120) : '';
    const problem = `the header is not JSON: ${reason}`;
    throw inputError(problem, 'header-not-json', `${file}, byte ${lengthBytes}`, fetchAgain, cause);
  }
}

/**
 * Walks JSON that is known to be valid, since JSON.parse forgets duplicate keys and how numbers were written. Returns the position of each key of the
 * outer object; refuses duplicate keys, `__proto__`, lone surrogates in names, and numbers that are not plain unsigned integers.
 */
function scanKeys(text: string, file: string): ReadonlyMap<string, number> {
  const positions = new Map<string, number>();
  const objects: Set<string>[] = [];
  const fail = (problem: string, code: string, at: number): never => {
    throw headerError(problem, code, file, offsetOf(text, at), 'write the file anew with a safetensors library');
  };
  for (let at = 0; at < text.length; ) {
    const c = text[at]!;
    if (c === '"') {
      const end = stringEnd(text, at);
      if (text[skipSpace(text, end)] === ':') {
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = objects[objects.length - 1]!;
        if (keys.has(key)) fail(`the key ${shortName(key)} stands twice`, 'duplicate-key', at);
        if (key === '__proto__') fail('a key is named __proto__', 'forbidden-name', at);
        if (/\p{Surrogate}/u.test(key)) fail(`the key ${shortName(key)} is no valid Unicode`, 'forbidden-name', at);
        keys.add(key);
        if (objects.length === 1) positions.set(key, at);
      }
      at = end;
    } else if (c === '-' || (c >= '0' && c <= '9')) {
      const number = /[-+.\deE]+/y;
      number.lastIndex = at;
      const digits = number.exec(text)![0];
      if (!/^\d+$/.test(digits)) fail(`${digits.slice(0, 40)} is no unsigned integer`, 'bad-number', at);
      at += digits.length;
    } else {
      if (c === '{') objects.push(new Set());
      if (c === '}') objects.pop();
      at++;
    }
  }
  return positions;
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++;
  return at;
}

/** Byte offset in the file of a character of the header's text. */
function offsetOf(text: string, at = 0): number {
  return lengthBytes + new TextEncoder().encode(text.slice(0, at)).length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMetadata(value: unknown, file: string, offset: number): Readonly<Record<string, string>> {
  if (isObject(value) && Object.values(value).every((item) => typeof item === 'string')) {
    return value as Record<string, string>;
  }
  const fix = 'write the file anew with a safetensors library';
  throw headerError('__metadata__ is not an object of strings', 'bad-metadata', file, offset, fix);
}

function readEntry(name: string, value: unknown, dataBegin: number, where: (name: string) => string): TensorEntry {
  const fail = (problem: string, code: string): never => {
    throw inputError(problem, code, where(name), 'write the file anew with a safetensors library');
  };
  if (!isObject(value)) return fail('a tensor is not described by an object', 'bad-tensor-entry');
  const fields = Object.keys(value).sort().join(', ');
  if (fields !== 'data_offsets, dtype, shape') {
    return fail(`fields are ${fields.slice(0, 80)}; expected data_offsets, dtype, shape`, 'bad-tensor-entry');
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isFileDType(dtype)) {
    const problem = `unknown dtype ${shortName(String(dtype))}; known are ${fileDTypes.join(', ')}`;
    return fail(problem, 'unknown-dtype');
  }
  if (!isExtents(shape)) return fail('shape is not a list of unsigned integers below 2^53', 'bad-shape');
  if (!isExtents(offsets) || offsets.length !== 2) return fail('data_offsets is not [begin, end]', 'bad-offsets');
  const [begin, end] = offsets as [number, number];
  if (begin > end) return fail(`data_offsets begin at ${begin}, after their end ${end}`, 'bad-offsets');
  const bits = shape.reduce((product, extent) => product * BigInt(extent), BigInt(dtypeBits[dtype]));
  if (bits !== BigInt(end - begin) * 8n) {
    const needed = bits % 8n === 0n ? `${bits / 8n} bytes` : `${bits} bits`;
    const problem = `shape [${shape.join(', ').slice(0, 80)}] of ${dtype} needs ${needed}, data_offsets give ${end - begin}`;
    return fail(problem, 'size-mismatch');
  }
  return { name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

const fileDTypes: readonly DType[] = (Object.keys(dtypeBits) as DType[]).filter((dtype) => dtype !== 'E5M6');

function isFileDType(value: unknown): value is DType {
  return typeof value === 'string' && fileDTypes.includes(value as DType);
}

function isExtents(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

function requireGapless(
  entries: readonly TensorEntry[],
  dataBegin: number,
  fileSize: number,
  file: string,
  where: (name: string) => string,
): void {
  let previous = dataBegin;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== previous) {
      const problem =
        entry.begin < previous
          ? `data begins at byte ${entry.begin}, inside the tensor before it, which ends at ${previous}`
          : `${entry.begin - previous} bytes from byte ${previous} belong to no tensor`;
      const fix = 'write the file anew with a safetensors library';
      throw inputError(problem, entry.begin < previous ? 'overlap' : 'gap', where(entry.name), fix);
    }
    previous = entry.end;
  }
  if (previous === fileSize) return;
  const [problem, code] =
    previous > fileSize
      ? [`the tensors end at byte ${previous}, the file at ${fileSize}`, 'truncated-data']
      : [`${fileSize - previous} bytes follow the last tensor`, 'trailing-bytes'];
  throw headerError(problem, code, file, Math.min(previous, fileSize), fetchAgain);
}

/** Gives U8 tensors that the metadata names as packed E5M6 their logical dtype and shape. */
function withE5m6(
  entries: Map<string, TensorEntry>,
  metadata: Readonly<Record<string, string>>,
  file: string,
): ReadonlyMap<string, TensorEntry> {
  if (!Object.hasOwn(metadata, e5m6Key)) return entries;
  const fail = (): never => {
    const fix = `${e5m6Key} must be JSON of tensor name to shape, each a U8 tensor of as many packed bytes`;
    throw headerError('the list of E5M6 tensors is wrong', 'bad-metadata', file, lengthBytes, fix);
  };
  let shapes: unknown;
  try {
    shapes = JSON.parse(metadata[e5m6Key]!);
  } catch {
    return fail();
  }
  if (!isObject(shapes)) return fail();
  for (const [name, shape] of Object.entries(shapes)) {
    const entry = entries.get(name);
    if (entry?.dtype !== 'U8' || !isExtents(shape)) return fail();
    if (packedBytes('E5M6', elementCount(shape)) !== entry.end - entry.begin) return fail();
    entries.set(name, { ...entry, dtype: 'E5M6', shape });
  }
  return entries;
}

/** The shape that E5M6 has in a file, as U8: packed along the last axis where that fills whole groups of eight, else flat. */
function e5m6FileShape(shape: readonly number[]): readonly number[] {
  const columns = shape.at(-1) ?? 1;
  if (shape.length > 0 && columns % 8 === 0) return [...shape.slice(0, -1), (columns / 8) * 12];
  return [packedBytes('E5M6', elementCount(shape))];
}

/**
 * The first bytes of a file that holds these tensors (length and header, a multiple of 8), and where each will lie. The same declarations in any order
 * give the same bytes: widest dtype first, so that all are aligned, then by name.
 */
export function buildHeader(
  declarations: readonly TensorDeclaration[],
  metadata: Readonly<Record<string, string>>,
): { readonly bytes: Uint8Array; readonly entries: ReadonlyMap<string, TensorEntry>; readonly fileSize: number } {
  const sorted = [...declarations].sort(
    (a, b) => dtypeBits[storedDType(b)] - dtypeBits[storedDType(a)] || (a.name < b.name ? -1 : 1),
  );
  const packed = sorted.filter(({ dtype }) => dtype === 'E5M6');
  const e5m6 = JSON.stringify(Object.fromEntries(packed.map(({ name, shape }) => [name, shape])));
  const allMetadata = packed.length > 0 ? { ...metadata, [e5m6Key]: e5m6 } : metadata;
  const header = new Map<string, unknown>();
  const relative: TensorEntry[] = [];
  let end = 0;
  for (const { name, dtype, shape } of sorted) {
    if (header.has(name) || name === '__metadata__' || name === '__proto__') {
      throw inputError(`two tensors, or a reserved name: ${shortName(name)}`, 'forbidden-name', name, 'rename it');
    }
    if (dtype !== 'E5M6' && (elementCount(shape) * dtypeBits[dtype]) % 8 !== 0) {
      throw inputError(
        `tensor ${shortName(name)} of ${dtype} does not fill whole bytes: ${elementCount(shape)} elements`,
        'ragged-bits',
        name,
        'give it a last extent that fills bytes (a multiple of 4 does for every dtype)',
      );
    }
    const begin = end;
    end += packedBytes(dtype, elementCount(shape));
    const fileShape = dtype === 'E5M6' ? e5m6FileShape(shape) : shape;
    header.set(name, { dtype: storedDType({ dtype }), shape: fileShape, data_offsets: [begin, end] });
    relative.push({ name, dtype, shape, begin, end });
  }
  const bytes = encodeHeader(header, allMetadata);
  const shift = (entry: TensorEntry) => ({
    ...entry,
    begin: entry.begin + bytes.length,
    end: entry.end + bytes.length,
  });
  const entries = new Map(relative.map((entry) => [entry.name, shift(entry)]));
  return { bytes, entries, fileSize: bytes.length + end };
}

const storedDType = ({ dtype }: { readonly dtype: DType }): DType => (dtype === 'E5M6' ? 'U8' : dtype);

function encodeHeader(tensors: ReadonlyMap<string, unknown>, metadata: Readonly<Record<string, string>>): Uint8Array {
  const keys = Object.keys(metadata).sort();
  const fields = keys.length === 0 ? [] : [`"__metadata__":${JSON.stringify(metadata, keys)}`];
  for (const [name, entry] of tensors) fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, lengthBytes);
  return bytes;
}
