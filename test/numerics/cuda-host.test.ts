import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { buildCudaHost } from '../../scripts/lib/cuda-host.mjs';
import { encodeLanes } from '../../src/numerics/codec.ts';
import { bitsOf } from '../../src/numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../src/numerics/formats.ts';
import { philoxWords } from '../../src/numerics/philox.ts';
import { nudge } from './operands.ts';
import { magnitudes } from './search.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), 'fp8lab-cuda-host-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The conversions that the CUDA headers offer on the host, as format, rounding, overflow. */
const conversions: readonly [FormatName, Rounding, Overflow][] = [
  ['e4m3', 'nearest-even', 'saturate'],
  ['e4m3', 'nearest-even', 'ieee'],
  ['e5m2', 'nearest-even', 'saturate'],
  ['e5m2', 'nearest-even', 'ieee'],
  ['e8m0', 'toward-zero', 'saturate'],
  ['e8m0', 'toward-positive', 'saturate'],
  ['e8m0', 'toward-zero', 'ieee'],
  ['e8m0', 'toward-positive', 'ieee'],
  ['e2m3', 'nearest-even', 'saturate'],
  ['e2m3', 'toward-zero', 'saturate'],
  ['e3m2', 'nearest-even', 'saturate'],
  ['e3m2', 'toward-zero', 'saturate'],
  ['e2m1', 'nearest-even', 'saturate'],
  ['e2m1', 'toward-zero', 'saturate'],
  ['f16', 'nearest-even', 'ieee'],
  ['f16', 'toward-zero', 'ieee'],
  ['f16', 'toward-positive', 'ieee'],
  ['f16', 'toward-negative', 'ieee'],
  ['bf16', 'nearest-even', 'ieee'],
  ['bf16', 'toward-zero', 'ieee'],
  ['bf16', 'toward-positive', 'ieee'],
  ['bf16', 'toward-negative', 'ieee'],
];

/** All bf16, a pattern of every 2^13, every code and midpoint with its neighbours, and random words. */
function patterns(name: FormatName): Uint32Array {
  const bf16 = Uint32Array.from({ length: 2 ** 16 }, (_, i) => i << 16);
  const strided = Uint32Array.from({ length: 2 ** 19 }, (_, i) => i * 2 ** 13 + (i % 8191));
  const random = new Uint32Array(2 ** 18);
  philoxWords(21, 0, 0, random);
  const values = magnitudes(formats[name]);
  const points = [...values].flatMap((value, i) => [value, (value + (values[i - 1] ?? 0)) / 2]);
  const near = points.flatMap((point) => [-2, -1, 0, 1, 2].map((step) => nudge(bitsOf(point), step)));
  const turning = near.flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);
  return Uint32Array.from([...bf16, ...strided, ...random, ...turning]);
}

function cudaCodes(program: string, conversion: string, bits: Uint32Array): Uint8Array {
  const input = Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength);
  const { status, stdout, stderr } = spawnSync(program, [conversion], { input, maxBuffer: 2 ** 28 });
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const build = buildCudaHost(folder);

describe('host conversions of the CUDA headers', () => {
  test.for(conversions)('to %s %s %s give the same codes', ([name, rounding, overflow], { skip }) => {
    if (build.missing !== undefined) skip(build.missing);
    const bits = patterns(name);
    const expected = cudaCodes(build.program!, `${name}:${rounding}:${overflow}`, bits);
    const codes = encodeLanes(bits, formats[name], rounding, overflow);
    const actual = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
    expect(actual.length).toBe(expected.length);
    const differing = [...bits.keys()].filter((i) =>
      codes.BYTES_PER_ELEMENT === 1
        ? actual[i] !== expected[i]
        : actual[2 * i] !== expected[2 * i] || actual[2 * i + 1] !== expected[2 * i + 1],
    );
    const worded = differing.slice(0, 5).map((i) => `${bits[i]!.toString(16)}: ours ${codes[i]!.toString(16)}`);
    expect([differing.length, worded]).toEqual([0, []]);
  });
});
