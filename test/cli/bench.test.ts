import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { benchCommand } from '../../src/cli/bench.ts';
import { parseSweep, sweptSpecs } from '../../src/cli/bench-sweep.ts';
import { loadOne, runCommand } from '../../src/cli/run.ts';
import { variantsOf } from '../../src/cli/variants.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';
import { describeGpu } from '../helpers/gpu.ts';

it.each([
  [{ against: 'numpy' }, { code: 'unknown-peer', kind: 'usage', fix: expect.stringContaining('ort, jax-js, tfjs') }],
  [{ variant: 'gemm=fastest' }, { code: 'unknown-variant', kind: 'usage', fix: expect.stringContaining('gemm=plain') }],
  [{ variant: 'plain' }, { code: 'unknown-variant', kind: 'usage' }],
  [
    { everyVariant: true, variant: 'gemm=plain' },
    { code: 'every-variant', kind: 'usage' },
  ],
  [{ sweep: ['tokens'] }, { code: 'bad-sweep', kind: 'usage' }],
  [{ sweep: ['tokens=0'] }, { code: 'bad-sweep' }],
  [{ sweep: ['tokens=256..64'] }, { code: 'bad-sweep' }],
  [{ sweep: ['=64'] }, { code: 'bad-sweep' }],
  [{ sweep: ['token=64'] }, { code: 'no-such-extent', message: expect.stringContaining('did you mean tokens') }],
  [{ sweep: ['tokens=1..4294967296'] }, { code: 'bad-sweep' }],
])('bench refuses %o and says what there is', async (options, error) => {
  await expect(benchCommand(['gate/dsv3'], options, recordedIo())).rejects.toMatchObject(error);
});

it('variants are of the fast tier', () => {
  expect(variantsOf('gemm=plain', 'fast')).toEqual({ gemm: 'plain' });
  expect(variantsOf(undefined, 'exact')).toEqual({});
  expect(() => variantsOf('gemm=plain', 'exact')).toThrow(expect.objectContaining({ code: 'no-variants' }));
});

it('a sweep varies the extents it names and leaves the others', async () => {
  expect(parseSweep('m, n=64..512')).toEqual({ extents: ['m', 'n'], values: [64, 128, 256, 512] });
  expect(parseSweep('tokens=100,7')).toEqual({ extents: ['tokens'], values: [100, 7] });
  const specs = sweptSpecs(await loadOne('gemm/bench-1024'), ['m,n=64..128', 'k=256'].map(parseSweep));
  expect(specs.map(({ spec, extents, value }) => [spec.shape, extents, value])).toEqual([
    [{ m: 64, n: 64, k: 1024 }, 'm,n', 64],
    [{ m: 128, n: 128, k: 1024 }, 'm,n', 128],
    [{ m: 1024, n: 1024, k: 256 }, 'k', 256],
  ]);
});

describeGpu('bench', () => {
  it('times the variants of a spec against each other', async () => {
    const io = { ...recordedIo(), env: process.env };
    const options = { backends: 'webgpu:node', everyVariant: true, samples: 1, batch: 1 };
    expect(await benchCommand(['permute/plain-bf16'], options, io)).toBe(0);
    expect(io.out()).toMatch(
      /permute=threads +[\d.]+ ms *\n +permute=workgroups +[\d.]+ ms +[\d.]+ times as fast as threads\n/,
    );
  }, 60_000);

  it('is told when the fastest shaders are looked for, which is once', async () => {
    const env = { ...process.env, XDG_CACHE_HOME: temporaryFolder() };
    const variant = 'quantize-lines=threads,quantize-tiles=threads';
    const messages = async (): Promise<string> => {
      const io = { ...recordedIo(), env };
      await runCommand('permute/plain-bf16', { backend: 'webgpu:node', tier: 'fast', variant }, io);
      return io.err();
    };
    expect(await messages()).toBe('webgpu:node: finding the fastest shaders of permute, once for this adapter\n');
    expect(await messages()).toBe('');
  }, 60_000);

  it('writes what every point of a sweep took, with a chart, and what it cost beside the kernels', async () => {
    const out = join(temporaryFolder(), 'scaling');
    const options = { backends: 'webgpu:node', sweep: ['rows=32..64'], samples: 2, batch: 1, out };
    const io = { ...recordedIo(), env: process.env };
    expect(await benchCommand(['quantize/bench-1024x7168'], options, io)).toBe(0);
    expect(await readdir(out)).toEqual(
      expect.arrayContaining(['bench-quantize-bench-1024x7168-rows.svg', 'bench.csv']),
    );
    const lines = (await readFile(join(out, 'bench.csv'), 'utf8')).trim().split('\n');
    expect(lines[0]).toContain('bench quantize/bench-1024x7168 --sweep rows=32..64 --backends webgpu:node');
    const [head, ...rows] = lines.filter((line) => !line.startsWith('#')).map((line) => line.split(','));
    const column = (name: string): number[] => rows.map((row) => Number(row[head!.indexOf(name)]));
    expect(column('value')).toEqual([32, 64]);
    expect(column('bytes')[1]! / column('bytes')[0]!).toBeCloseTo(2, 1);
    for (const name of ['in_shaders', 'upload', 'readback', 'whole', 'share_of_copy'])
      for (const value of column(name)) expect(value, name).toBeGreaterThan(0);
    expect(column('compile')[0]).toBeGreaterThan(0);
    expect(column('first')[0]).toBeGreaterThanOrEqual(column('compile')[0]!);
  }, 120_000);
});
