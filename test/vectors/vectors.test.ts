import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { encodeBits, encodeFormats, encodeLanes } from '../../src/numerics/codec.ts';
import { pinnedFunctions } from '../../src/numerics/exp.ts';
import { addBits, divBits, fmaBits, fromBits, mulBits } from '../../src/numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../src/numerics/formats.ts';
import { magnitudes, searchCode } from '../numerics/search.ts';
import { makeVectors } from './make.ts';
import { hexWords, parseWords } from './words.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

const folder = new URL('../../specs/vectors/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

const recorded = ['e4m3', 'e5m2', ...Object.keys(pinnedFunctions)].map((name) => `exhaustive-${name}.json`);

describe('specs/vectors', () => {
  const made = makeVectors();

  test.each(Object.keys(made))('%s is what the reference computes', (name) => {
    // Compared as digests first: a difference of a large text is costly to print.
    if (read(name) !== made[name]) expect(JSON.parse(read(name))).toEqual(JSON.parse(made[name]!));
    expect(read(name)).toBe(made[name]);
  });

  test('holds no other files, is explained, and stays under 2 MB', () => {
    const expected = [...Object.keys(made), 'README.md', ...recorded];
    const names = readdirSync(folder).sort();
    expect(names).toEqual(expected.sort());
    const bytes = names.reduce((sum, name) => sum + statSync(fileURLToPath(new URL(name, folder))).size, 0);
    expect(bytes).toBeLessThan(2 * 2 ** 20);
  });
});

describe('read as their README says, without the code that made them', () => {
  interface EncodeCase {
    rounding: Rounding;
    overflow: Overflow;
    codes: string;
    scaledCodes: string;
  }

  test.each(encodeFormats.filter((name) => name !== 'f32'))('the codes of %s are those a search finds', (name) => {
    const file = JSON.parse(read(`encode-${name}.json`));
    const format = formats[name as FormatName];
    const values = magnitudes(format);
    const digits = Math.ceil(format.bits / 4);
    for (const { rounding, overflow, codes, scaledCodes } of file.cases as EncodeCase[]) {
      if (rounding === 'stochastic') continue;
      const plain = parseWords(file.inputs).map(fromBits);
      const scaled = parseWords(file.scaledInputs).map((bits, i) => fromBits(bits) * 2 ** file.scaledExponents[i]);
      const found = (inputs: number[]): string =>
        hexWords(
          inputs.map((x) => searchCode(x, format, values, rounding, overflow)),
          digits,
        );
      expect(codes).toBe(found(plain));
      expect(scaledCodes).toBe(found(scaled));
    }
  });

  test('the f32 operations are those of double arithmetic', () => {
    const file = JSON.parse(read('f32.json'));
    const [a, b, c] = [file.a, file.b, file.c].map(parseWords) as [number[], number[], number[]];
    const check = (name: string, operation: (x: number, y: number, z: number) => number): void =>
      expect([name, file[name]]).toEqual([
        name,
        hexWords(
          a.map((x, i) => operation(x, b[i]!, c[i]!)),
          8,
        ),
      ]);
    check('add', addBits);
    check('mul', mulBits);
    check('div', divBits);
    check('fma', fmaBits);
  });
});

describe('the exhaustive record, a sample of its 2^24-pattern chunks', () => {
  const CHUNK = 2 ** 24;
  const digestOf = (codes: Uint8Array): string => createHash('sha256').update(codes).digest('hex');
  const recorded = (format: string): string[] => JSON.parse(read(`exhaustive-${format}.json`)).digests;

  // Top bytes: +0 and subnormals, where each format begins, its middle, its overflow, and Inf with NaN; negative ones too.
  const chunks = {
    e4m3: [0x00, 0x3a, 0x3b, 0x3f, 0x43, 0x44, 0x7f, 0xba, 0xff],
    e5m2: [0x00, 0x36, 0x37, 0x3f, 0x47, 0x7f, 0xb7, 0xff],
  };

  test.each(['e4m3', 'e5m2'] as const)('%s by table, as whole arrays are encoded', (name) => {
    const bits = new Uint32Array(CHUNK);
    for (const chunk of chunks[name]) {
      for (let i = 0; i < CHUNK; i++) bits[i] = chunk * CHUNK + i;
      const codes = encodeLanes(bits, formats[name], 'nearest-even', 'saturate') as Uint8Array;
      expect([chunk, digestOf(codes)]).toEqual([chunk, recorded(name)[chunk]]);
    }
  });

  test.each(['e4m3', 'e5m2'] as const)('%s a pattern at a time', (name) => {
    const codes = new Uint8Array(CHUNK);
    const chunk = name === 'e4m3' ? 0x3b : 0x37;
    for (let i = 0; i < CHUNK; i++) codes[i] = encodeBits(chunk * CHUNK + i, formats[name], 'nearest-even', 'saturate');
    expect(digestOf(codes)).toBe(recorded(name)[chunk]);
  });

  // Where every step of the functions has work: [1/2, 2), of either sign.
  test.each([
    ['exp', 0xbf],
    ['sigmoid', 0x3f],
    ['log1p', 0xbf],
    ['softplus', 0x3f],
    ['sqrt', 0x3f],
  ] as const)('%s of the patterns that begin with %i', (name, chunk) => {
    const results = new Uint32Array(CHUNK);
    for (let i = 0; i < CHUNK; i++) results[i] = pinnedFunctions[name]((chunk * CHUNK + i) >>> 0);
    expect(digestOf(new Uint8Array(results.buffer))).toBe(recorded(name)[chunk]);
  });
});
