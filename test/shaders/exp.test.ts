import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { functionOfPatterns, patternChunk } from '../../src/backends/webgpu/exhaustive.ts';
import { type PinnedFunction, pinnedFunctions } from '../../src/numerics/exp.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { differences } from '../helpers/shader.ts';

const names = Object.keys(pinnedFunctions) as PinnedFunction[];

/** Digests that scripts/exhaustive.mjs recorded of a function over all patterns. */
function recordedDigests(name: PinnedFunction): readonly string[] {
  const file = new URL(`../../specs/vectors/exhaustive-${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).digests;
}

describeGpu('WGSL computes the pinned functions as TypeScript does', () => {
  it.each(names)('%s: runs of patterns in every binade of both signs, and beside every end', async (name) => {
    const gpu = newGpu();
    const length = 257;
    // From below each power of two to above it, zero, Inf and NaN among them.
    for (let field = 0; field < 512; field += 1) {
      const first = ((field << 23) - 128) >>> 0;
      const got = await functionOfPatterns(gpu, name, first, length);
      const want = Uint32Array.from({ length }, (_, i) => pinnedFunctions[name]((first + i) >>> 0));
      expect(differences(got, want), `patterns from ${first.toString(16)}`).toEqual([]);
    }
    await gpu.destroyRun();
  });
  // Where every step of the functions has work: [1/2, 2), of either sign. The whole is scripts/exhaustive.mjs.
  it.each([
    ['exp', 0xbf],
    ['sigmoid', 0x3f],
    ['log1p', 0xbf],
    ['softplus', 0x3f],
    ['sqrt', 0x3f],
  ] as const)(
    '%s: to the recorded digest of the patterns that begin with %i',
    { timeout: 120_000 },
    async (name, chunk) => {
      const gpu = newGpu();
      const results = await functionOfPatterns(gpu, name, chunk * patternChunk);
      expect(createHash('sha256').update(results).digest('hex')).toBe(recordedDigests(name)[chunk]);
      await gpu.destroyRun();
    },
  );
});
