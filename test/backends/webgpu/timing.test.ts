import { describe, expect, it } from 'vitest';
import type { Elapsed, OwnedGpu } from '../../../src/backends/webgpu/device.ts';
import { timeInRounds } from '../../../src/backends/webgpu/timing.ts';

/** A device on which `count` runs take what the function says; only its clock is asked for. */
const clock = (took: (count: number) => Elapsed): OwnedGpu =>
  ({ time: async (_: unknown, count: number) => took(count) }) as unknown as OwnedGpu;

const batchOn = async (took: (count: number) => Elapsed): Promise<number> => {
  const [timed] = await timeInRounds(clock(took), [[]], { samples: 3, batch: 50 });
  return timed!.batch;
};

describe('a batch', () => {
  it('is a single run where one lasts long enough', async () => {
    expect(await batchOn((count) => ({ wall: 60 * count }))).toBe(1);
  });

  it('is as long as asked for by the device, whatever a polled wait adds', async () => {
    const batch = await batchOn((count) => ({ wall: 11 + 0.2 * count, device: 0.2 * count }));
    expect(batch).toBeGreaterThanOrEqual(200);
    expect(batch).toBeLessThanOrEqual(313);
  });

  it('stays short where the device says next to nothing of long runs', async () => {
    expect(await batchOn((count) => ({ wall: 45 * count, device: 0.001 }))).toBeLessThanOrEqual(256);
    expect(await batchOn((count) => ({ wall: 900 * count, device: 0.001 }))).toBe(1);
  });

  it('has an end where runs cost nothing', async () => {
    expect(await batchOn(() => ({ wall: 0 }))).toBe(1000);
  });
});
