import e4m3File from '../../../../test/data/tensor-core/h100-e4m3.safetensors?url';
import e5m2File from '../../../../test/data/tensor-core/h100-e5m2.safetensors?url';
import licence from '../../../../test/data/tensor-core/README.md?url';
import { schemePreset } from '../../../specs/presets.ts';
import { resolveSpec } from '../../../specs/resolve.ts';
import type { GemmSpec, ResolvedSpec } from '../../../specs/types.ts';
import { bufferSource } from '../../../tensors/byte-source.ts';
import { browserLimits } from '../../../tensors/header.ts';
import { openSafetensors, readTensor } from '../../../tensors/safetensors.ts';
import type { Tensor, Tensors } from '../../../tensors/tensor.ts';

/** Where the origin and the licence of the recorded outputs can be read. */
export const recordedLicence = licence;

const files = { e4m3: e4m3File, e5m2: e5m2File } as const;

/** Dot products that a gemm takes at a time: its diagonal holds them. */
const batch = 100;

/** What an H100 returned for dot products of 32 terms. */
export interface Recorded {
  readonly format: 'e4m3' | 'e5m2';
  /** Codes [n, 32]. */
  readonly a: Tensor;
  readonly b: Tensor;
  /** f32 bits [n]. */
  readonly d: Uint32Array;
}

/** Reads the outputs recorded for a format. */
export async function readRecorded(format: Recorded['format']): Promise<Recorded> {
  const response = await fetch(files[format]);
  const file = await openSafetensors(bufferSource(await response.arrayBuffer(), `h100-${format}`), browserLimits);
  const [a, b, d] = await Promise.all(['a', 'b', 'd'].map((name) => readTensor(file, name)));
  return { format, a: a!, b: b!, d: d!.codes as Uint32Array };
}

/** The gemm that sums a batch on Hopper's model: scales of one, one block, f32 out. */
export function recordedSpec(format: Recorded['format']): GemmSpec {
  const scheme = { ...schemePreset('per-tensor'), format };
  const operand = { scheme, codes: { generate: 'bits', dtype: format }, scales: { generate: 'zero', dtype: 'f32' } };
  const authored = {
    fp8lab: 1,
    kernel: 'gemm',
    name: `h100-${format}`,
    shape: { m: batch, n: batch, k: 32 },
    a: operand,
    b: operand,
    arithmetic: 'hopper-unpromoted',
    output: 'f32',
  };
  return resolveSpec(authored) as GemmSpec;
}

/** Runs a spec with given inputs, and gives its results. */
export type Runner = (spec: ResolvedSpec, given: Tensors) => Promise<Tensors>;

/** A recorded dot product whose bits came out differently. */
export interface RecordedDifference {
  readonly format: Recorded['format'];
  /** Number of the product in the file. */
  readonly product: number;
  /** f32 bits. */
  readonly recorded: number;
  readonly here: number;
}

/** Recorded dot products that were run, and those that differ. */
export interface RecordedOutcome {
  readonly products: number;
  readonly differences: readonly RecordedDifference[];
}

/** First products of the batches that are run: every `stride`th batch of a file. */
export function batchesOf({ d }: Pick<Recorded, 'd'>, stride: number): number[] {
  return Array.from({ length: Math.floor(d.length / batch) }, (_, i) => i * batch).filter((_, i) => i % stride === 0);
}

/** Runs every `stride`th batch of the recorded dot products; `tell` gets the share that is done. */
export async function holdAgainstRecorded(
  recorded: Recorded,
  stride: number,
  run: Runner,
  tell: (share: number) => void,
): Promise<RecordedOutcome> {
  const spec = recordedSpec(recorded.format);
  const ones: Tensor = { dtype: 'F32', shape: [1, 1], codes: Uint32Array.of(0x3f800000) };
  const batches = batchesOf(recorded, stride);
  const differences: RecordedDifference[] = [];
  for (const [done, first] of batches.entries()) {
    const rows = ({ dtype, codes }: Tensor): Tensor => ({
      dtype,
      shape: [batch, 32],
      codes: codes.slice(32 * first, 32 * (first + batch)),
    });
    const { d } = await run(spec, { a: rows(recorded.a), a_scales: ones, b: rows(recorded.b), b_scales: ones });
    for (let i = 0; i < batch; i++) {
      const [here, there] = [d!.codes[i * batch + i]!, recorded.d[first + i]!];
      if (here !== there) differences.push({ format: recorded.format, product: first + i, recorded: there, here });
    }
    tell((done + 1) / batches.length);
  }
  return { products: batches.length * batch, differences };
}
