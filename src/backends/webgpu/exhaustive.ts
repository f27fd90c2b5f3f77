import { laneWords, readLanes } from '../../kernels/bands.ts';
import { formatConstants, overflowNumber, roundingNumber } from '../../kernels/constants.ts';
import { allocateLanes, type Lanes } from '../../numerics/codec.ts';
import { type PinnedFunction, pinnedFunctions } from '../../numerics/exp.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../numerics/formats.ts';
import type { Gpu } from './gpu.ts';

/** Patterns a call of {@link encodePatterns} covers by default: 256 of them make all f32. */
export const patternChunk = 2 ** 24;

/** How patterns are encoded; every rounding but `stochastic`, which needs random words. */
export interface PatternEncoding {
  readonly format: FormatName;
  readonly rounding: Exclude<Rounding, 'stochastic'>;
  readonly overflow: Overflow;
}

/**
 * Codes of the f32 bit patterns first, first + 1, ... on a device, one lane a pattern: what the exhaustive check digests and holds against the
 * reference's record. `first` is a u32.
 */
export async function encodePatterns(
  gpu: Gpu,
  { format, rounding, overflow }: PatternEncoding,
  first: number,
  count = patternChunk,
): Promise<Lanes> {
  const words = laneWords(format, count);
  const buffer = gpu.allocate(words);
  gpu.dispatch({
    shader: 'kernels/encode_all',
    entryPoint: 'encode_patterns',
    constants: {
      ...formatConstants('OUTPUT', format),
      ROUNDING: roundingNumber(rounding),
      OVERFLOW: overflowNumber(overflow),
    },
    uniforms: [first, count],
    buffers: [{ buffer, access: 'read_write' }],
    threads: words,
  });
  const codes = allocateLanes(formats[format], count);
  await readLanes(gpu, buffer, format, codes, 0, count);
  gpu.release(buffer);
  return codes;
}

/** f32 bits of a pinned function of the patterns first, first + 1, ... on a device. */
export async function functionOfPatterns(
  gpu: Gpu,
  name: PinnedFunction,
  first: number,
  count = patternChunk,
): Promise<Uint32Array> {
  const buffer = gpu.allocate(count);
  gpu.dispatch({
    shader: 'kernels/function_all',
    entryPoint: 'function_patterns',
    constants: { FUNCTION: Object.keys(pinnedFunctions).indexOf(name) },
    uniforms: [first, count],
    buffers: [{ buffer, access: 'read_write' }],
    threads: count,
  });
  const results = await gpu.read(buffer);
  gpu.release(buffer);
  return results.subarray(0, count);
}
