import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { createGpu } from '../../../src/backends/webgpu/device.ts';
import { PipelineCache } from '../../../src/backends/webgpu/pipelines.ts';
import { Stopwatch } from '../../../src/backends/webgpu/stopwatch.ts';
import { describeGpu, newGpu, openDevice } from '../../helpers/gpu.ts';

/** Compilations that the test ends, in the order of their starts. */
function compiler() {
  const started: string[] = [];
  const end = new Map<string, { resolve(): void; reject(error: unknown): void }>();
  const compile = (name: string) => () => {
    started.push(name);
    return new Promise<GPUComputePipeline>((resolve, reject) =>
      end.set(name, { resolve: () => resolve(name as unknown as GPUComputePipeline), reject }),
    );
  };
  return {
    started,
    compile,
    end: (name: string) => end.get(name)!.resolve(),
    fail: (name: string) => end.get(name)!.reject(new Error(name)),
  };
}

describe('pipelines', () => {
  it('that a run waits for come before those of later runs', async () => {
    const { started, compile, end } = compiler();
    const cache = new PipelineCache();
    for (const name of ['a', 'b', 'c', 'd']) cache.prepare(name, compile(name));
    expect(started).toEqual(['a', 'b']);
    const waited = cache.get('d', compile('d'));
    expect(started).toEqual(['a', 'b', 'd']);
    end('a');
    await sleep(0);
    expect(started).toEqual(['a', 'b', 'd']);
    end('d');
    expect(await waited).toBe('d');
    await sleep(0);
    expect(started).toEqual(['a', 'b', 'd', 'c']);
  });

  it('are compiled once, whoever asks', async () => {
    const { started, compile, end } = compiler();
    const cache = new PipelineCache();
    cache.prepare('a', compile('a'));
    const waited = cache.get('a', compile('a'));
    end('a');
    expect(await waited).toBe('a');
    cache.prepare('a', compile('a'));
    expect(started).toEqual(['a']);
  });

  it('that failed in the background are compiled again by the run that wants them', async () => {
    const { started, compile, end, fail } = compiler();
    const cache = new PipelineCache();
    cache.prepare('a', compile('a'));
    fail('a');
    await sleep(0);
    const waited = cache.get('a', compile('a'));
    end('a');
    expect(await waited).toBe('a');
    expect(started).toEqual(['a', 'a']);
  });
});

function deferred() {
  let settle: { resolve(): void; reject(error: unknown): void };
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

describe('a stopwatch', () => {
  it('counts time once in which several things go on, and no other', async () => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    const watch = new Stopwatch();
    const [first, second] = [deferred(), deferred()];
    const one = watch.until(first.promise);
    now.mockReturnValue(2);
    const two = watch.until(second.promise);
    now.mockReturnValue(5);
    first.resolve();
    await one;
    now.mockReturnValue(7);
    expect(watch.milliseconds).toBe(7);
    second.reject(new Error('refused'));
    await expect(two).rejects.toThrow('refused');
    now.mockReturnValue(100);
    watch.during(() => now.mockReturnValue(101));
    now.mockReturnValue(200);
    expect(watch.milliseconds).toBe(8);
    now.mockRestore();
  });
});

describeGpu('a device that compiles slowly', () => {
  it('counts waiting for a shader, and not its being compiled while others run', async () => {
    const { device } = (await openDevice())!;
    const compile = device.createComputePipelineAsync.bind(device);
    let slow = 0;
    device.createComputePipelineAsync = async (descriptor) => {
      const pipeline = await compile(descriptor);
      slow++;
      await sleep(400);
      slow--;
      return pipeline;
    };
    const gpu = createGpu(device);
    const source = gpu.upload(Uint32Array.of(1, 2, 3));
    const copied = gpu.allocate(3);
    const copy = (entryPoint: string) => ({
      shader: 'kernels/copy',
      entryPoint,
      constants: { ANOTHER: 1 },
      uniforms: [3],
      buffers: [
        { buffer: source, access: 'read' as const },
        { buffer: copied, access: 'read_write' as const },
      ],
      threads: 3,
    });
    gpu.prepare([copy('copy_words')]);
    await vi.waitFor(() => expect(slow).toBe(1), { timeout: 20_000 });
    await vi.waitFor(() => expect(slow).toBe(0));
    gpu.dispatch(copy('copy_words'));
    expect(Array.from(await gpu.read(copied))).toEqual([1, 2, 3]);
    const ready = gpu.stalled;
    gpu.dispatch({ ...copy('copy_words'), constants: { ANOTHER: 2 } });
    expect(Array.from(await gpu.read(copied))).toEqual([1, 2, 3]);
    expect(gpu.stalled - ready).toBeGreaterThan(350);
    expect(ready).toBeLessThan(250);
    await gpu.destroyRun();
    device.destroy();
  });

  it('keeps no error of a shader that it compiled for later', async () => {
    const gpu = newGpu();
    const words = gpu.allocate(1);
    const buffers = [words, words].map((buffer) => ({ buffer, access: 'read_write' as const }));
    gpu.prepare([{ shader: 'kernels/copy', entryPoint: 'no_such_entry', uniforms: [1], buffers, threads: 1 }]);
    const zero = gpu.allocate(1, 'zero');
    await sleep(100);
    expect(Array.from(await gpu.read(zero))).toEqual([0]);
    await gpu.destroyRun();
  });
});
