import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
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

/** What every runner can do. */
export const standardJobs: Jobs = { identify, run, probe };
