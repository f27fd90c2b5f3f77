import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendName } from '../../src/backends/backend.ts';
import { createBackend } from '../../src/backends/registry.ts';
import { describeTensor } from '../../src/parity/compare.ts';
import { type ParityRun, runSuite } from '../../src/parity/suite.ts';
import { shippedSpecs } from '../../src/specs/load.ts';

const runtimes: readonly BackendName[] = ['webgpu:node', 'webgpu:deno', 'webgpu:chromium'];
const specs = (await shippedSpecs(fileURLToPath(new URL('../../specs', import.meta.url)))).filter(
  ({ spec }) => !spec.large,
);
const backends = ['reference' as const, ...runtimes].map((name) => createBackend(name));

let run: ParityRun;
beforeAll(async () => {
  run = await runSuite(specs, backends, { timeout: 300_000 });
}, 600_000);
afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.close()));
});

describe.each(runtimes)('%s gives the bits of the reference', (name) => {
  it.each(specs.map(({ label }) => label))('%s', (label) => {
    const entry = run.entries.find(({ spec, backend }) => spec === label && backend === name);
    expect(entry?.error).toBeUndefined();
    expect(entry?.comparison?.tensors.map(describeTensor).filter(Boolean)).toEqual([]);
    expect(entry?.elements).toBeGreaterThan(0);
    expect(entry?.mismatches).toBe(0);
  });
});
