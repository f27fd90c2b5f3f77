import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { napWhileWaiting } from '../../../src/backends/webgpu/naps.ts';

/** Classes as Dawn's binding has them, whose promises the test settles. */
function classes() {
  const settle: { resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  class GPUBuffer {
    mapAsync(mode: number): Promise<unknown> {
      expect(this).toBeInstanceOf(GPUBuffer);
      return new Promise((resolve, reject) => settle.push({ resolve: () => resolve(mode), reject }));
    }
  }
  return { GPUBuffer, settle };
}

describe('naps', () => {
  it('come in every turn of the event loop while something is awaited, and in no other', async () => {
    const { GPUBuffer, settle } = classes();
    napWhileWaiting({ GPUBuffer });
    const naps = vi.spyOn(Atomics, 'wait');
    await sleep(10);
    expect(naps).not.toHaveBeenCalled();
    const [first, second] = [new GPUBuffer().mapAsync(1), new GPUBuffer().mapAsync(2)];
    await sleep(20);
    settle[0]!.resolve(undefined);
    expect(await first).toBe(1);
    const before = naps.mock.calls.length;
    expect(before).toBeGreaterThan(3);
    await sleep(20);
    expect(naps.mock.calls.length).toBeGreaterThan(before);
    settle[1]!.resolve(undefined);
    expect(await second).toBe(2);
    await sleep(5);
    naps.mockClear();
    await sleep(20);
    expect(naps).not.toHaveBeenCalled();
    naps.mockRestore();
  });

  it('come once a turn, however often something new is awaited within it', async () => {
    const { GPUBuffer, settle } = classes();
    napWhileWaiting({ GPUBuffer });
    for (let i = 0; i < 100; i++) {
      const mapped = new GPUBuffer().mapAsync(1);
      settle[i]!.resolve(undefined);
      await mapped;
    }
    const last = new GPUBuffer().mapAsync(1);
    const naps = vi.spyOn(Atomics, 'wait');
    let turns = 0;
    for (const began = performance.now(); performance.now() - began < 50; turns++)
      await new Promise((done) => setImmediate(done));
    expect(naps.mock.calls.length).toBeGreaterThan(turns / 2);
    expect(naps.mock.calls.length).toBeLessThanOrEqual(turns + 1);
    naps.mockRestore();
    settle[100]!.resolve(undefined);
    await last;
  });

  it('let failures through', async () => {
    const { GPUBuffer, settle } = classes();
    napWhileWaiting({ GPUBuffer });
    const mapped = new GPUBuffer().mapAsync(1);
    settle[0]!.reject(new Error('lost'));
    await expect(mapped).rejects.toThrow('lost');
  });
});
