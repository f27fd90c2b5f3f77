import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackend } from '../../src/backends/registry.ts';
import { type ParityRun, runSuite } from '../../src/parity/suite.ts';
import { shippedSpecs } from '../../src/specs/load.ts';

/** Plain f32 rounds elsewhere than the reference: decibels that are left of a result all the same. */
const leastSqnr = 30;

/** Of each kernel the first specs that are no edge cases: those look for bits that single precision need not give. */
const chosen: string[] = [];
const specs = (await shippedSpecs(fileURLToPath(new URL('../../specs', import.meta.url)))).filter(({ spec }) => {
  const ordinary = !spec.large && !/^(edge|long|wild|near|arithmetic|combine|promote)/.test(spec.name);
  if (!ordinary || chosen.filter((kernel) => kernel === spec.kernel).length >= 4) return false;
  chosen.push(spec.kernel);
  return true;
});
const backends = [createBackend('reference'), createBackend('webgpu:deno')];

describe('the fast tier in Deno', () => {
  let run: ParityRun;
  beforeAll(async () => {
    run = await runSuite(specs, backends, { tier: 'fast', timeout: 120_000 });
  }, 300_000);
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
  });

  it.each(specs.map(({ label }) => label))('%s is near the reference', (label) => {
    const entry = run.entries.find(({ spec, backend }) => spec === label && backend === 'webgpu:deno');
    expect(entry?.error).toBeUndefined();
    for (const { name, metrics, status } of entry!.comparison!.tensors) {
      if (status === 'equal') continue;
      expect(status, name).toBe('differs');
      // null: no noise, as between the two zeros.
      expect(metrics!.sqnr ?? Number.POSITIVE_INFINITY, name).toBeGreaterThan(leastSqnr);
    }
  });
});
