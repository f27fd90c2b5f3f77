import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { identify } from './identify.ts';
import { probeAdapter } from './probe.ts';
import type { Jobs, Reply, Session } from './serve.ts';

/** Milliseconds a run took, as measured inside the runner. */
export interface RunnerTimes {
  readonly inputs: number;
  readonly kernel: number;
}

async function runSpec(session: Session, params: { spec: ResolvedSpec; tier: Tier }, given: Tensors): Promise<Reply> {
  const { spec, tier } = params;
  const kernel = kernelOf(spec);
  const started = performance.now();
  const inputs = materializeInputs(kernel.inputs(spec as never), given);
  const made = performance.now();
  const { gpu } = await session.open();
  try {
    const tensors = await kernel.webgpu(gpu, spec as never, inputs, tier);
    const times: RunnerTimes = { inputs: made - started, kernel: performance.now() - made };
    return { value: times, tensors };
  } finally {
    await gpu.destroyRun();
  }
}

async function probe(session: Session, { samples }: { samples: number }): Promise<Reply> {
  const { gpu } = await session.open();
  return { value: await probeAdapter(gpu.device, samples) };
}

/** What every runner can do. */
export const standardJobs: Jobs = { identify, run: runSpec, probe };
