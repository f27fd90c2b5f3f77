import { bitsOf } from '../../numerics/f32.ts';
import type { Dispatch, Gpu } from './gpu.ts';

/** What an adapter reaches on kernels that do nothing else: the measure that times are held against. All a second. */
export interface Peaks {
  /** Single-precision multiply-adds in registers. */
  readonly multiplyAdds: number;
  /** Multiply-adds into 8 x 8 sums a thread, as a product in registers makes them, without any operand in memory. */
  readonly outerProducts: number;
  /** Bytes, read and written, of a copy of 32 MiB. */
  readonly copyBytes: number;
}

/** A dispatch whose speed is a peak, and how much of the peak's unit it does. */
export interface Yardstick {
  readonly peak: keyof Peaks;
  readonly dispatch: Dispatch;
  readonly work: number;
}

const threads = 2 ** 15;
const copyWords = 2 ** 23;

/** The dispatches that measure an adapter. Their buffers are of the run. */
export function yardsticks(gpu: Gpu): readonly Yardstick[] {
  const [vectors, turns, steps] = [2, 128, 16];
  const outerTurns = 64;
  const sums = gpu.allocate(4 * threads);
  const arithmetic = (shader: string, constants: Dispatch['constants'], count: number): Dispatch => ({
    shader,
    entryPoint: 'multiply_add',
    constants,
    uniforms: [count, bitsOf(0.999), bitsOf(0.001)],
    buffers: [{ buffer: sums, access: 'read_write' }],
    threads,
  });
  const copy: Dispatch = {
    shader: 'bench/copy',
    entryPoint: 'copy',
    uniforms: [copyWords / 4],
    buffers: [
      { buffer: gpu.allocate(copyWords), access: 'read' },
      { buffer: gpu.allocate(copyWords), access: 'read_write' },
    ],
    threads: copyWords / 4,
  };
  return [
    {
      peak: 'multiplyAdds',
      dispatch: arithmetic('bench/multiply_add_fast', { VECTORS: vectors }, turns),
      work: threads * turns * steps * vectors * 4,
    },
    {
      peak: 'outerProducts',
      dispatch: arithmetic('bench/outer_product_fast', {}, outerTurns),
      work: threads * outerTurns * 2 * 64,
    },
    { peak: 'copyBytes', dispatch: copy, work: 2 * 4 * copyWords },
  ];
}
