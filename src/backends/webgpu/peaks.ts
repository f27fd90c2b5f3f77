import { bitsOf } from '../../numerics/f32.ts';
import type { Session } from './session.ts';
import { type BenchOptions, type Spread, timeDispatches } from './timing.ts';

/** What an adapter reaches on kernels that do nothing else: the measure that times are held against. */
export interface Peaks {
  /** Single-precision multiply-adds a second. */
  readonly multiplyAdds: number;
  /** Bytes a second, read and written, of a copy. */
  readonly copyBytes: number;
  readonly times: { readonly multiplyAdd: Spread; readonly copy: Spread };
}

const threads = 2048;
const turns = 8192;
const vectors = 8;
const copyWords = 2 ** 23;

/** Measures the adapter: multiply-adds in registers, and a copy of 32 MiB. */
export async function measurePeaks(session: Session, options: BenchOptions): Promise<Peaks> {
  const { gpu } = await session.open();
  try {
    const sums = gpu.allocate(4 * threads);
    const multiplyAdd = await timeDispatches(
      gpu,
      [
        {
          shader: 'bench/multiply_add_fast',
          entryPoint: 'multiply_add',
          uniforms: [turns, bitsOf(0.999), bitsOf(0.001)],
          buffers: [{ buffer: sums, access: 'read_write' }],
          threads,
        },
      ],
      options,
    );
    const [from, to] = [gpu.allocate(copyWords), gpu.allocate(copyWords)];
    const copy = await timeDispatches(
      gpu,
      [
        {
          shader: 'bench/copy',
          entryPoint: 'copy',
          uniforms: [copyWords / 4],
          buffers: [
            { buffer: from, access: 'read' },
            { buffer: to, access: 'read_write' },
          ],
          threads: copyWords / 4,
        },
      ],
      options,
    );
    return {
      multiplyAdds: (threads * turns * vectors * 4) / (multiplyAdd.time.min / 1000),
      copyBytes: (2 * 4 * copyWords) / (copy.time.min / 1000),
      times: { multiplyAdd: multiplyAdd.time, copy: copy.time },
    };
  } finally {
    await gpu.destroyRun();
  }
}
