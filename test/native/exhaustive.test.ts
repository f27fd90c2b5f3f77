import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { nativeBinary } from '../../src/backends/native.ts';
import { requireNative } from './support.ts';

/** Digests of chunks of 2^24 f32 patterns, from the runner. */
function nativeDigests(args: readonly string[]): string[] {
  const { stdout } = spawnSync(nativeBinary(), ['exhaustive', ...args], { encoding: 'utf8' });
  return JSON.parse(stdout).digests;
}

function recordedDigests(format: string): string[] {
  const file = join(packageRoot(), 'specs', 'vectors', `exhaustive-${format}.json`);
  return JSON.parse(readFileSync(file, 'utf8')).digests;
}

// All 256 chunks: FP8LAB_EXHAUSTIVE=1. These hold the range of e4m3 and e5m2, overflow, Inf and NaN, of both signs.
const ranges = process.env.FP8LAB_EXHAUSTIVE ? ['0-255'] : ['59-60', '67-67', '71-71', '127-127', '188-188', '255-255'];

describe.runIf(requireNative())('native exhaustive encoding', () => {
  it.each(['e4m3', 'e5m2'])('gives the recorded digests of f32 patterns as %s', { timeout: 300_000 }, (format) => {
    for (const range of ranges) {
      const [first, last] = range.split('-').map(Number) as [number, number];
      const digests = nativeDigests(['--format', format, '--chunks', range]);
      expect(digests, range).toEqual(recordedDigests(format).slice(first, last + 1));
    }
  });

  it('gives other digests for another rounding', () => {
    const nearest = nativeDigests(['--chunks', '60-60']);
    expect(nativeDigests(['--chunks', '60-60', '--rounding', 'nearest-away'])).not.toEqual(nearest);
  });

  const chunks = process.env.FP8LAB_EXHAUSTIVE ? ['0-255'] : ['63-63', '191-192'];

  it.each(['exp', 'sigmoid', 'log1p', 'softplus', 'sqrt'])(
    'gives the recorded digests of %s, within 0.55 ULP of the C library in doubles',
    { timeout: 3_600_000 },
    (name) => {
      for (const range of chunks) {
        const [first, last] = range.split('-').map(Number) as [number, number];
        const { stdout } = spawnSync(nativeBinary(), ['exhaustive', '--function', name, '--chunks', range], {
          encoding: 'utf8',
        });
        const { digests, largestErrorUlp } = JSON.parse(stdout) as { digests: string[]; largestErrorUlp: number };
        expect(digests, range).toEqual(recordedDigests(name).slice(first, last + 1));
        expect(largestErrorUlp).toBeLessThan(0.55);
      }
    },
  );
});
