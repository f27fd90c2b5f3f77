import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/backends/machine.ts';
import { whatNativeLacks } from '../../src/backends/native.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import { kernelNames } from '../../src/specs/schema.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { packCodes } from '../../src/tensors/packing.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';

/** Whether the native runner is built; where it is not, the tests that need it are skipped and the reason is printed. */
export function requireNative(): boolean {
  const lacks = whatNativeLacks('native:host');
  if (lacks !== undefined) console.warn(`skipped: ${lacks.message}; ${lacks.fix}`);
  return lacks === undefined;
}

/** dtype, shape and SHA-256 of every tensor: what two runs are compared by. */
export function bytesOf(tensors: Tensors): Record<string, string> {
  const entries = Object.entries(tensors).map(([name, { dtype, shape, codes }]) => {
    const digest = createHash('sha256').update(packCodes(codes, dtype)).digest('hex');
    return [name, `${dtype} [${shape.join(', ')}] ${digest}`] as const;
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every shipped spec, the full-size ones or the others. */
export function shippedSpecs(large: boolean): ResolvedSpec[] {
  const folder = join(packageRoot(), 'specs');
  const files = kernelNames.flatMap((kernel) => readdirSync(join(folder, kernel)).map((file) => join(kernel, file)));
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => resolveSpec(JSON.parse(readFileSync(join(folder, file), 'utf8')), file))
    .filter((spec) => spec.large === large);
}
