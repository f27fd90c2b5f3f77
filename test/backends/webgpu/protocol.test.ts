import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame, FrameReader, type Message } from '../../../src/backends/webgpu/protocol.ts';
import { Fp8labError } from '../../../src/errors.ts';
import type { Codes, Tensor } from '../../../src/tensors/tensor.ts';

const codes: fc.Arbitrary<Codes> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint16Array({ maxLength: 40 }),
  fc.uint32Array({ maxLength: 40 }),
);
const tensor: fc.Arbitrary<Tensor> = codes.map((lanes) => ({ dtype: 'U32', shape: [lanes.length], codes: lanes }));
const name = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => text !== '__proto__');
const message: fc.Arbitrary<Message> = fc.record({
  header: fc.record({ id: fc.nat(), value: fc.jsonValue({ maxDepth: 2 }) }),
  tensors: fc.dictionary(name, tensor, { maxKeys: 4, noNullPrototype: true }),
});

/** What JSON keeps of a header: -0 becomes 0. */
const asSent = ({ header, tensors }: Message): Message => ({ header: JSON.parse(JSON.stringify(header)), tensors });

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, at) => bytes.subarray(start, ends[at] ?? bytes.length));
}

function isProtocolError(error: unknown): boolean {
  return error instanceof Fp8labError && error.code === 'protocol' && error.kind === 'device';
}

/** Runs `work`; true where it ends, or throws the one error it may throw. */
function endsCleanly(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    return isProtocolError(error);
  }
}

describe('frames', () => {
  it('carry every message, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 20 }), (messages, places) => {
        const stream = Buffer.concat(messages.map((each) => encodeFrame(each)));
        const reader = new FrameReader();
        const received = cut(stream, places).flatMap((chunk) => reader.push(chunk));
        reader.end();
        expect(received).toEqual(messages.map(asSent));
      }),
    );
  });

  it('that are cut short give nothing, and the end of the stream says so', () => {
    fc.assert(
      fc.property(message, fc.nat(), (each, at) => {
        const frame = encodeFrame(each);
        const reader = new FrameReader();
        expect(reader.push(frame.subarray(0, at % frame.length))).toEqual([]);
        if (at % frame.length > 0) expect(() => reader.end()).toThrow(/ended inside a frame/);
      }),
    );
  });

  it('with any byte changed are read or refused as `protocol`, never anything else', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (each, at, flip) => {
        const frame = encodeFrame(each);
        frame[at % frame.length]! ^= flip;
        expect(endsCleanly(() => new FrameReader().push(frame))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('that are random bytes are refused or waited for', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(endsCleanly(() => new FrameReader().push(bytes))).toBe(true);
      }),
    );
  });

  it('that start with text show the text: a library printed on standard output', () => {
    const push = () => new FrameReader().push(new TextEncoder().encode('Warning: something'));
    expect(push).toThrow(/Warning: somethi/);
  });

  it('with a tensor past their end are refused', () => {
    const frame = encodeFrame({ header: {}, tensors: { a: { dtype: 'U8', shape: [1], codes: Uint8Array.of(1) } } });
    const text = new TextDecoder('latin1').decode(frame).replace('"length":1', '"length":9');
    const changed = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    expect(() => decodeFrame(changed)).toThrow(/past the end/);
  });

  it('keep tensors aligned, so that views need no copy', () => {
    const tensors = { a: tensorOf(Uint8Array.of(1, 2, 3)), b: tensorOf(Uint32Array.of(7)) };
    const { tensors: back } = decodeFrame(encodeFrame({ header: {}, tensors }));
    expect(back.b!.codes.byteOffset % 8).toBe(0);
    expect(back.b!.codes).toEqual(Uint32Array.of(7));
  });
});

const tensorOf = (lanes: Codes): Tensor => ({ dtype: 'U32', shape: [lanes.length], codes: lanes });
