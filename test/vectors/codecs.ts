import { createHash } from 'node:crypto';
import {
  decodeTable,
  encodeBits,
  encodeFormats,
  encodeScaledBits,
  isInfCode,
  isNanCode,
  roundings,
} from '../../src/numerics/codec.ts';
import { bitsOf, fromBits, INF_BITS, NAN_BITS } from '../../src/numerics/f32.ts';
import { type Format, type FormatName, formats, type Overflow, type Rounding } from '../../src/numerics/formats.ts';
import { edges, nudge } from '../numerics/operands.ts';
import { draw, hex32, hexCodes, spread } from './words.ts';

const MOST_INPUTS = 640;
const MOST_SCALED = 96;

/** Values of all codes; of bf16 and f16, which have 65,536, some of them and the digest of all. */
export function decodeVectors(): unknown {
  return Object.fromEntries(
    (Object.keys(formats) as FormatName[])
      .filter((name) => formats[name].bits <= 16)
      .map((name) => [name, decodeOne(formats[name])]),
  );
}

function decodeOne(format: Format): unknown {
  const table = decodeTable(format);
  if (format.bits < 16) return { values: hex32(table) };
  const codes = spread([...table.keys()], 509);
  const bytes = Buffer.alloc(4 * table.length);
  table.forEach((bits, code) => {
    bytes.writeUInt32LE(bits, 4 * code);
  });
  return {
    codes: hexCodes(codes, format),
    values: hex32(codes.map((code) => table[code]!)),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** What a format's encoder is asked: every rounding and overflow, plain and scaled by powers of two, and stochastically. */
export function encodeVectors(name: FormatName): unknown {
  const format = formats[name];
  const inputs = encodeInputs(format);
  const random = draw(101, inputs.length);
  const scaled = spread([...draw(102, MOST_SCALED - edges.length), ...edges], MOST_SCALED);
  const exponents = Array.from(draw(103, scaled.length), (word) => (word % 301) - 150);
  const cases = overflowsOf(format).flatMap((overflow) => roundings.map((rounding) => ({ rounding, overflow })));
  return {
    format: name,
    inputs: hex32(inputs),
    random: hex32(random),
    scaledInputs: hex32(scaled),
    scaledExponents: exponents,
    cases: cases.map(({ rounding, overflow }) => ({
      rounding,
      overflow,
      codes: hexCodes(plainCodes(inputs, random, format, rounding, overflow), format),
      scaledCodes: hexCodes(
        scaled.map((bits, i) => encodeScaledBits(bits, exponents[i]!, format, rounding, overflow, random[i])),
        format,
      ),
    })),
  };
}

function plainCodes(
  inputs: readonly number[],
  random: Uint32Array,
  format: Format,
  rounding: Rounding,
  overflow: Overflow,
): number[] {
  return inputs.map((bits, i) => encodeBits(bits, format, rounding, overflow, random[i]));
}

function overflowsOf(format: Format): Overflow[] {
  return format.specials === 'finite' ? ['saturate'] : ['saturate', 'ieee'];
}

/** Codes, midpoints, both with their neighbours, where a format has few; a spread of them where it has many; edges and random words. */
function encodeInputs(format: Format): number[] {
  const table = format.bits <= 16 ? [...decodeTable(format)] : [];
  const finite = table.filter((_, code) => !isNanCode(code, format) && !isInfCode(code, format)).map(fromBits);
  const values = [...new Set(finite.filter((value) => value >= 0))].sort((a, b) => a - b);
  const top = values.at(-1) ?? 0;
  const step = top - (values.at(-2) ?? 0);
  const points = [...values, top + step].flatMap((value, i) => [value, (value + (values[i - 1] ?? 0)) / 2]);
  const turning = points.flatMap((point) => [-1, 0, 1].map((near) => nudge(bitsOf(point), near)));
  const signed = [...new Set(turning)].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);
  const specials = [INF_BITS, NAN_BITS, 0xff800000, 0xffc00000];
  return [...new Set([...spread(signed, MOST_INPUTS - 160), ...specials, ...edges, ...draw(100, 64)])];
}

/** A file for each format that can be encoded to. */
export function encodeFiles(): Record<string, unknown> {
  return Object.fromEntries(encodeFormats.map((name) => [`encode-${name}.json`, encodeVectors(name)]));
}
