import { expect, it } from 'vitest';
import { shaderSources } from '../../../src/backends/webgpu/link.ts';
import { createSession } from '../../../src/backends/webgpu/session.ts';
import { families, runTrial } from '../../../src/backends/webgpu/trial.ts';
import { resolveSpec } from '../../../src/specs/resolve.ts';
import { describeGpu, newGpu } from '../../helpers/gpu.ts';

const operand = { scheme: 'weight-128x128-pow2', input: { generate: 'normal' } };
const small = resolveSpec({
  fp8lab: 1,
  kernel: 'gemm',
  name: 'small',
  shape: { m: 16, n: 264, k: 128 },
  a: { ...operand, scheme: 'activation-1x128-pow2' },
  b: operand,
  output: 'f32',
});
const family = { ...families.find(({ name }) => name === 'gemm')!, verified: small, timed: small };

describeGpu('a trial of variants', () => {
  it('times every variant of a family and chooses the fastest', async () => {
    const { choices, tried } = await runTrial(newGpu(), [family]);
    expect(tried.map(({ variant }) => variant).sort()).toEqual([...family.variants].sort());
    const least = Math.min(...tried.map(({ time }) => time!));
    expect(tried.find(({ variant }) => variant === choices.gemm)!.time).toBe(least);
  });

  it('refuses variants that compute something else or do not compile, and chooses among the others', async () => {
    const shaders = {
      'kernels/gemm_fast': shaderSources['kernels/gemm_fast']!.replace('r0 += x.x * y;', 'r0 += x.y * y;'),
      'kernels/gemm_shared_fast': 'no shader',
    };
    const { choices, tried } = await runTrial(newGpu(), [family], shaders);
    const refused = new Map(tried.map(({ variant, refused }) => [variant, refused]));
    expect(refused.get('plain')).toMatch(/differs from the reference/);
    expect(refused.get('shared-64x64')).toMatch(/WGSL compiler refuses/);
    expect(choices.gemm).toMatch(/panels|streams/);
  });
});

describeGpu('a session whose device is lost during its trial', () => {
  it('says so, and makes the trial anew on the next device', async () => {
    const { create } = await import('webgpu');
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto' });
    const { gpu } = await session.open();
    gpu.device.destroy();
    await expect(session.trial()).rejects.toMatchObject({ code: 'device-lost' });
    const next = await session.open('fast');
    expect(next.gpu.device).not.toBe(gpu.device);
    expect(families[0]!.variants).toContain(next.gpu.variants.gemm);
    next.gpu.device.destroy();
  });
});
