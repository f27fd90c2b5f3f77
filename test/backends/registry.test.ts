import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/backends/backend.ts';
import { runReference } from '../../src/backends/reference.ts';
import { createReferenceBackend } from '../../src/backends/reference-threads.ts';
import { createBackend } from '../../src/backends/registry.ts';
import { ensureBuilt } from '../helpers/dist.ts';
import { slowSpec, smallSpec } from './specs.ts';

beforeAll(() => ensureBuilt('node', 'runner'));

describe.each(['reference', 'webgpu:node', 'webgpu:deno', 'webgpu:chromium'] as const)('%s', (name) => {
  let backend: Backend;
  beforeAll(() => {
    backend = createBackend(name);
  });
  afterAll(() => backend.close());

  it('gives the bytes of the reference for a ragged spec, with its times', async () => {
    const expected = runReference(smallSpec).tensors;
    const { tensors, times, identity, spec } = await backend.run(smallSpec);
    expect(tensors).toEqual(expected);
    expect(spec).toBe('small');
    expect(identity.backend).toBe(name);
    expect(times.total).toBeGreaterThanOrEqual(times.kernel);
  });

  it('takes inputs that are given instead of generated ones', async () => {
    const x = { dtype: 'BF16', shape: [5, 300], codes: new Uint16Array(1500).fill(0x3f80) } as const;
    const { tensors } = await backend.run(smallSpec, { inputs: { x } });
    expect(tensors).toEqual(runReference(smallSpec, { x }).tensors);
  });

  it('does not start what was interrupted before', async () => {
    const run = backend.run(smallSpec, { signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ kind: 'interrupted', code: 'interrupted' });
  });
});

describe('the reference in its thread', () => {
  let backend: Backend;
  beforeAll(() => {
    backend = createReferenceBackend();
  });
  afterAll(() => backend.close());

  it('ends a run at its time limit, and does the next', async () => {
    await expect(backend.run(slowSpec, { timeout: 100 })).rejects.toMatchObject({ kind: 'device', code: 'time-limit' });
    expect((await backend.run(smallSpec)).tensors).toEqual(runReference(smallSpec).tensors);
  });

  it('ends a run at an abort signal', async () => {
    const run = backend.run(slowSpec, { signal: AbortSignal.timeout(100) });
    await expect(run).rejects.toMatchObject({ kind: 'interrupted' });
  });

  it('passes on the error of a spec whose input is a file', async () => {
    const spec = { ...smallSpec, x: { input: { file: 'x.safetensors', tensor: 'x' } } };
    await expect(backend.run(spec)).rejects.toMatchObject({
      kind: 'input',
      code: 'file-input',
      where: 'x.safetensors',
    });
  });

  it('does not freeze the thread that asked', async () => {
    let ticks = 0;
    const clock = setInterval(() => ticks++, 10);
    await backend.run(slowSpec, { timeout: 300 }).catch(() => {});
    clearInterval(clock);
    expect(ticks).toBeGreaterThan(5);
  });
});
