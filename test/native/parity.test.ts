import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { createNativeBackend } from '../../src/backends/native.ts';
import { runReference } from '../../src/backends/reference.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { bytesOf, requireNative } from './support.ts';

const specsFolder = join(packageRoot(), 'specs');

/** Every shipped spec that runs in seconds. */
function shippedSpecs(): ResolvedSpec[] {
  const kernels = ['quantize', 'dequantize', 'requantize', 'gemm'];
  const files = kernels.flatMap((kernel) => readdirSync(join(specsFolder, kernel)).map((file) => join(kernel, file)));
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => resolveSpec(JSON.parse(readFileSync(join(specsFolder, file), 'utf8')), file))
    .filter((spec) => !spec.large);
}

describe.runIf(requireNative())('native:host gives the bytes of the reference', () => {
  const backend = createNativeBackend('native:host');
  afterAll(() => backend.close());

  it.each(shippedSpecs().map((spec) => [`${spec.kernel} ${spec.name}`, spec] as const))('%s', async (_, spec) => {
    const expected = runReference(spec).tensors;
    const { tensors } = await backend.run(spec);
    expect(bytesOf(tensors)).toEqual(bytesOf(expected));
  });
});
