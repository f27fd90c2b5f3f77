import { expect, it } from 'vitest';
import { functionOfPatterns } from '../../src/backends/webgpu/exhaustive.ts';
import { type PinnedFunction, pinnedFunctions } from '../../src/numerics/exp.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { differences } from '../helpers/shader.ts';

const names = Object.keys(pinnedFunctions) as PinnedFunction[];

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
});
