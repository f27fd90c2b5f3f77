import type { Tier } from '../../kernels/kernel.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type Tensors } from '../../tensors/tensor.ts';
import { encodePatterns } from './exhaustive.ts';
import { identify } from './identify.ts';
import { probeAdapter } from './probe.ts';
import { runSpec } from './run-spec.ts';
import type { Jobs, Reply } from './serve.ts';
import type { Session } from './session.ts';

async function run(
  session: Session,
  { spec, tier }: { spec: ResolvedSpec; tier: Tier },
  given: Tensors,
): Promise<Reply> {
  const { tensors, times } = await runSpec(session, spec, tier, given);
  return { value: times, tensors };
}

async function probe(session: Session, { samples }: { samples: number }): Promise<Reply> {
  const { gpu } = await session.open();
  return { value: await probeAdapter(gpu.device, samples) };
}

/** Codes of the f32 bit patterns from `first` on, saturate and nearest-even: a piece of the exhaustive check. */
async function patterns(
  session: Session,
  { format, first, count }: { format: FormatName; first: number; count: number },
): Promise<Reply> {
  const { gpu } = await session.open();
  const codes = await encodePatterns(gpu, { format, rounding: 'nearest-even', overflow: 'saturate' }, first, count);
  return { tensors: { codes: { dtype: dtypeOfFormat[format], shape: [count], codes } } };
}

/** What every runner can do. */
export const standardJobs: Jobs = { identify, run, probe, patterns };
