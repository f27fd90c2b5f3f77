import { expect, it, vi } from 'vitest';
import { shaderSources } from '../../../src/backends/webgpu/link.ts';
import { createSession } from '../../../src/backends/webgpu/session.ts';
import { runTrial } from '../../../src/backends/webgpu/trial.ts';
import { families } from '../../../src/kernels/index.ts';
import type { Family } from '../../../src/kernels/variants.ts';
import { describeGpu, newGpu } from '../../helpers/gpu.ts';

vi.setConfig({ testTimeout: 60_000 });

/** A family, timed on what it is verified on: nobody asks here which variant is fast. */
function quick(name: string): Family {
  const family = families.find((each) => each.name === name)!;
  return { ...family, timed: family.verified };
}

/** What a variant's trial says where shaders are edited: each edit is of a file, and what it puts in place of what. */
async function refusals(family: string, ...edits: readonly [file: string, from: string, to: string][]) {
  const shaders: Record<string, string> = {};
  for (const [file, from, to] of edits) {
    const source = shaders[file] ?? shaderSources[file]!;
    expect(source).toContain(from);
    shaders[file] = source.replace(from, to);
  }
  const { choices, tried } = await runTrial(newGpu(), [quick(family)], { shaders });
  return { chosen: choices[family]!, refused: new Map(tried.map(({ variant, refused }) => [variant, refused])) };
}

describeGpu('a trial of variants', () => {
  it.each(families.map(({ name }) => name))(
    '%s: times every variant that the adapter can run and chooses the fastest',
    async (name) => {
      const family = quick(name);
      const { choices, tried } = await runTrial(newGpu(), [family]);
      expect(tried.filter(({ refused }) => refused !== undefined)).toEqual([]);
      const able = family.variants.filter(({ needs = [] }) => needs.every((feature) => newGpu().has(feature)));
      expect(tried.map(({ variant }) => variant).sort()).toEqual(able.map((variant) => variant.name).sort());
      const least = Math.min(...tried.map(({ time }) => time!));
      expect(tried.find(({ variant }) => variant === choices[name])!.time).toBe(least);
    },
  );

  it('refuses variants that compute something else or do not compile, and chooses among the others', async () => {
    const { chosen, refused } = await refusals(
      'gemm',
      ['kernels/gemm_fast', 'r0 += x.x * y;', 'r0 += x.y * y;'],
      ['kernels/gemm_shared_fast', 'fn multiply(', 'no function('],
      ['kernels/gemm_subgroups_fast', 'subgroupShuffle(own_a$g, i)', 'own_a$g'],
      ['kernels/gemm_quads_fast', 'return quadSwapY(own);', 'return quadSwapX(own);'],
      ['kernels/gemm_texels_fast', 'dot(high_a$g$r, high_b$c$d)', 'dot(high_a$g$r, low_b$c$d)'],
    );
    expect(refused.get('plain')).toMatch(/differs from the reference/);
    expect(refused.get('shared-64x64')).toMatch(/WGSL compiler refuses/);
    expect(refused.get('texels-16x16')).toMatch(/differs from the reference/);
    if (newGpu().has('subgroups')) {
      expect(refused.get('subgroups-8x8')).toMatch(/differs from the reference/);
      expect(refused.get('quads-32x64')).toMatch(/differs from the reference/);
    }
    expect(chosen).toMatch(/panels|streams/);
  });

  it('refuses a gate and a permute that cooperate wrongly', async () => {
    const gate = await refusals(
      'gate',
      // Ties would go to the higher index.
      ['kernels/gate_workgroup', 'other < quad', 'other > quad'],
      ['kernels/gate_subgroup', 'select(first, second, lane.index == best.y)', 'first'],
    );
    expect(gate.refused.get('workgroups')).toMatch(/topk_idx differs from the reference/);
    if (newGpu().has('subgroups')) expect(gate.refused.get('subgroups')).toMatch(/topk_idx differs from the reference/);
    expect(gate.chosen).toBe('threads');
    const permute = await refusals('permute', ['kernels/permute_scan', 'i < local;', 'i + 1u < local;']);
    expect(permute.refused.get('workgroups')).toMatch(/x differs from the reference/);
    expect(permute.chosen).toBe('threads');
  });

  it.each([
    ['quantize-lines', 'kernels/offered_max_fast', 'i < first + SPAN', 'i + step < first + SPAN', /groups/],
    [
      'quantize-tiles',
      'kernels/group_max_subgroups_fast',
      'max(largest, subgroupShuffleXor(largest, distance))',
      'largest',
      /^subgroups/,
    ],
    ['quantize-lines', 'numerics/encode4_fast', '+ vec4(ENCODE4_HALF)', '', /groups/],
    ['dequantize', 'numerics/decode4_fast', '+ vec4(DECODE4_REBIAS)', '', /fours/],
    ['swiglu-quantize', 'kernels/row_swiglu_fast', 'at + parameters.row_fours', 'at', /fused/],
  ])('%s: refuses what %s makes wrong', async (family, file, from, to, wrong) => {
    const { chosen, refused } = await refusals(family, [file, from, to]);
    const able = [...refused.keys()];
    expect(able.filter((name) => refused.get(name) !== undefined)).toEqual(able.filter((name) => wrong.test(name)));
    expect(able.some((name) => wrong.test(name))).toBe(!/subgroups/.test(file) || newGpu().has('subgroups'));
    expect(chosen).not.toMatch(wrong);
  });

  it('does not offer what takes a feature that the adapter lacks', async () => {
    const family = quick('gemm');
    const [first] = family.variants;
    const variants = [first, { ...first, name: 'of-tomorrow', needs: ['no-such-feature'] }] as const;
    const { tried } = await runTrial(newGpu(), [{ ...family, variants }]);
    expect(tried.map(({ variant }) => variant)).toEqual([first.name]);
  });
});

describeGpu('a session', () => {
  /** A family of one variant: compiling the others takes seconds. */
  const family: Family = { ...quick('gemm'), variants: [quick('gemm').variants.at(-1)!] };

  it('makes the trial of a family once, also where two ask at a time, and none of what it was told', async () => {
    const { create } = await import('webgpu');
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto' });
    const trial = vi.spyOn(session, 'trial');
    const second = { ...family, name: 'other' };
    session.choose({ other: 'plain' });
    const opened = await Promise.all([session.open('fast', [family, second]), session.open('fast', [family])]);
    expect(trial.mock.calls).toEqual([[[family]]]);
    for (const { gpu } of opened) expect(gpu.variants).toMatchObject({ gemm: expect.any(String), other: 'plain' });
    opened[0].gpu.device.destroy();
  });

  it('whose device is lost during a trial says so, and makes the trial anew on the next device', async () => {
    const { create } = await import('webgpu');
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto' });
    const { gpu } = await session.open();
    gpu.device.destroy();
    await expect(session.trial([family])).rejects.toMatchObject({ code: 'device-lost' });
    const next = await session.open('fast', [family]);
    expect(next.gpu.device).not.toBe(gpu.device);
    expect(next.gpu.variants.gemm).toBe(family.variants[0].name);
    next.gpu.device.destroy();
  });
});
