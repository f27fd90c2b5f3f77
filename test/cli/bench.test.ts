import { expect, it } from 'vitest';
import { benchCommand } from '../../src/cli/bench.ts';
import { recordedIo } from '../helpers/command-io.ts';

it.each([
  [{ against: 'numpy' }, { code: 'unknown-peer', kind: 'usage', fix: expect.stringContaining('ort, jax-js, tfjs') }],
  [{ variant: 'gemm=fastest' }, { code: 'unknown-variant', kind: 'usage', fix: expect.stringContaining('gemm=plain') }],
  [{ variant: 'plain' }, { code: 'unknown-variant', kind: 'usage' }],
])('bench refuses %o and says what there is', async (options, error) => {
  await expect(benchCommand(['gate/dsv3'], options, recordedIo())).rejects.toMatchObject(error);
});
