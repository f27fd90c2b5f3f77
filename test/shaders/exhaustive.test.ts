import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encodePatterns, patternChunk } from '../../src/backends/webgpu/exhaustive.ts';
import { encodeBits } from '../../src/numerics/codec.ts';
import { formats } from '../../src/numerics/formats.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';

describeGpu('WGSL encodes consecutive patterns', () => {
  it('as the twin does, from any first pattern', async () => {
    const gpu = newGpu();
    for (const format of ['e4m3', 'e5m6', 'bf16'] as const) {
      for (const first of [0x3f7ffff1, 0xc3dfff00]) {
        const encoding = { format, rounding: 'nearest-even', overflow: 'saturate' } as const;
        const codes = await encodePatterns(gpu, encoding, first, 4099);
        const want = Array.from({ length: 4099 }, (_, i) =>
          encodeBits(first + i, formats[format], 'nearest-even', 'saturate'),
        );
        expect(Array.from(codes)).toEqual(want);
      }
    }
    await gpu.destroyRun();
  });

  // Chunks with the least codes, with the largest, and of NaN; the whole is scripts/exhaustive.mjs.
  it.each(['e4m3', 'e5m2'] as const)('%s: to the recorded digests of three chunks of 2^24', async (format) => {
    const file = new URL(`../../specs/vectors/exhaustive-${format}.json`, import.meta.url);
    expect(existsSync(file)).toBe(true);
    const { digests } = JSON.parse(readFileSync(file, 'utf8'));
    const gpu = newGpu();
    for (const chunk of [0x3a, 0x43, 0x7f]) {
      const encoding = { format, rounding: 'nearest-even', overflow: 'saturate' } as const;
      const codes = await encodePatterns(gpu, encoding, chunk * patternChunk);
      expect(createHash('sha256').update(codes).digest('hex'), `chunk ${chunk}`).toBe(digests[chunk]);
    }
    await gpu.destroyRun();
  });
});
