import { Fp8labError } from '../../errors.ts';
import type { Codes, DType, Tensor, Tensors } from '../../tensors/tensor.ts';

/**
 * Frames between fp8lab and a runner (a Node or Deno process over its standard streams, a page over loopback HTTP).
 * A frame is: the magic `fp8l`; the header's length, u32; the payload's length, u64; the header, JSON in UTF-8 padded with spaces to
 * a multiple of 8; the payload, tensors at multiples of 8. All little-endian.
 */
export interface Message {
  readonly header: Readonly<Record<string, unknown>>;
  readonly tensors: Tensors;
}

const magic = 0x6c387066;
const prefixBytes = 16;
/** Headers are small: a longer one means that something else than a runner is writing. */
const maxHeaderBytes = 64 * 2 ** 20;

interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Bytes from the start of the payload. */
  readonly offset: number;
  /** Bytes a lane takes in memory: 1, 2 or 4. */
  readonly lane: number;
  readonly length: number;
}

const alignUp = (bytes: number) => Math.ceil(bytes / 8) * 8;

function broken(message: string, where: string, cause?: unknown): Fp8labError {
  return new Fp8labError(message, {
    kind: 'device',
    code: 'protocol',
    where,
    fix: 'run again; if it stays, `fp8lab doctor` shows whether the runtime itself works',
    cause,
  });
}

function layOut(tensors: Tensors): { entries: TensorEntry[]; bytes: number } {
  let offset = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, codes }]) => {
    const entry = { name, dtype, shape, offset, lane: codes.BYTES_PER_ELEMENT, length: codes.length };
    offset += alignUp(codes.byteLength);
    return entry;
  });
  return { entries, bytes: offset };
}

/** A message as one frame. */
export function encodeFrame({ header, tensors }: Message): Uint8Array<ArrayBuffer> {
  const { entries, bytes } = layOut(tensors);
  const text = new TextEncoder().encode(JSON.stringify({ ...header, tensors: entries }));
  const headerBytes = alignUp(text.length);
  const frame = new Uint8Array(prefixBytes + headerBytes + bytes);
  const view = new DataView(frame.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, headerBytes, true);
  view.setBigUint64(8, BigInt(bytes), true);
  frame.fill(0x20, prefixBytes, prefixBytes + headerBytes).set(text, prefixBytes);
  for (const { name, offset } of entries) {
    const { buffer, byteOffset, byteLength } = tensors[name]!.codes;
    frame.set(new Uint8Array(buffer, byteOffset, byteLength), prefixBytes + headerBytes + offset);
  }
  return frame;
}

/** Lengths in a frame's prefix. Throws `protocol` where the bytes are no frame. */
function readPrefix(prefix: Uint8Array): { headerBytes: number; total: number } {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes);
  if (view.getUint32(0, true) !== magic) {
    const seen = new TextDecoder('latin1').decode(prefix).replace(/[^\x20-\x7e]/g, '.');
    throw broken(`the runner wrote something that is no frame: "${seen}"`, 'frame magic');
  }
  const headerBytes = view.getUint32(4, true);
  const payload = Number(view.getBigUint64(8, true));
  if (headerBytes > maxHeaderBytes || headerBytes % 8 !== 0 || !Number.isSafeInteger(payload)) {
    throw broken('a frame has impossible lengths', 'frame prefix');
  }
  return { headerBytes, total: prefixBytes + headerBytes + payload };
}

function isEntry(value: unknown): value is TensorEntry {
  const { name, dtype, shape, offset, lane, length } = (value ?? {}) as Partial<TensorEntry>;
  return (
    typeof name === 'string' &&
    typeof dtype === 'string' &&
    Array.isArray(shape) &&
    [1, 2, 4].includes(lane!) &&
    [...shape, offset, length].every((extent) => Number.isSafeInteger(extent) && extent! >= 0) &&
    offset! % 8 === 0
  );
}

function readLanes(frame: Uint8Array, start: number, { name, offset, lane, length }: TensorEntry): Codes {
  if (start + offset + lane * length > frame.byteLength) {
    throw broken(`tensor ${name} reaches past the end of its frame`, `tensor ${name}`);
  }
  const at = frame.byteOffset + start + offset;
  if (lane === 1) return new Uint8Array(frame.buffer, at, length);
  return lane === 2 ? new Uint16Array(frame.buffer, at, length) : new Uint32Array(frame.buffer, at, length);
}

/** The message in one whole frame; its tensors are views of the frame, which must start at a multiple of 8. */
export function decodeFrame(frame: Uint8Array): Message {
  const { headerBytes, total } = readPrefix(frame);
  if (frame.length !== total) throw broken('a frame is cut short', 'frame');
  const start = prefixBytes + headerBytes;
  const { tensors: entries, ...header } = parseHeader(frame.subarray(prefixBytes, start));
  if (!Array.isArray(entries) || !entries.every(isEntry))
    throw broken('a frame declares no proper tensors', 'frame header');
  const tensors = entries.map((entry): [string, Tensor] => {
    return [entry.name, { dtype: entry.dtype, shape: entry.shape, codes: readLanes(frame, start, entry) }];
  });
  return { header, tensors: Object.fromEntries(tensors) };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw broken('a frame has a header that is no JSON', 'frame header', cause);
  }
  throw broken('a frame has a header that is no object', 'frame header');
}

/** Cuts a stream of chunks into messages. Each byte is copied once, however large the frame. */
export class FrameReader {
  private chunks: Uint8Array[] = [];
  private held = 0;

  /** Takes a chunk and returns the messages it completes. Throws `protocol`; the stream is then of no further use. */
  push(chunk: Uint8Array): Message[] {
    this.chunks.push(chunk);
    this.held += chunk.length;
    const messages: Message[] = [];
    while (this.held >= prefixBytes) {
      const { total } = readPrefix(this.peek(prefixBytes));
      if (this.held < total) break;
      messages.push(decodeFrame(this.take(total)));
    }
    return messages;
  }

  /** Says that the stream has ended. Throws `protocol` where it ended inside a frame. */
  end(): void {
    if (this.held > 0) throw broken('the stream ended inside a frame', 'end of stream');
  }

  private peek(length: number): Uint8Array {
    const first = this.chunks[0]!;
    if (first.length >= length) return first.subarray(0, length);
    const merged = this.take(length);
    this.chunks.unshift(merged);
    this.held += length;
    return merged;
  }

  private take(length: number): Uint8Array {
    const taken = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const chunk = this.chunks[0]!;
      const part = chunk.subarray(0, length - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.chunks.shift();
      else this.chunks[0] = chunk.subarray(part.length);
    }
    this.held -= length;
    return taken;
  }
}
