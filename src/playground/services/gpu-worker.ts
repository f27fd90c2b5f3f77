// The page's WebGPU device, beside the page: however slow the adapter, the page stays responsive.
import { adapterName, identify, type RunnerIdentity } from '../../backends/webgpu/identify.ts';
import { type ProbeCard, probeAdapter } from '../../backends/webgpu/probe.ts';
import { type RunnerTimes, runSpec } from '../../backends/webgpu/run-spec.ts';
import { createSession } from '../../backends/webgpu/session.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { type Handlers, serve } from './serve.ts';

/** Who the adapter is, as the badge shows it. */
export interface AdapterReport extends RunnerIdentity {
  readonly name: string;
}

/** Jobs of the GPU worker. */
export type GpuJobs = {
  readonly identify: { readonly input: undefined; readonly output: AdapterReport };
  readonly probe: { readonly input: { readonly samples: number }; readonly output: ProbeCard };
  readonly run: {
    readonly input: { readonly spec: ResolvedSpec; readonly given?: Tensors; readonly tier?: Tier };
    readonly output: { readonly tensors: Tensors; readonly times: RunnerTimes };
  };
  /** Gives the device up, as a driver reset would; the next job asks for another. */
  readonly lose: { readonly input: undefined; readonly output: undefined };
};

const session = createSession({ runtime: navigator.userAgent, gpu: navigator.gpu, adapter: 'auto' });

const handlers: Handlers<GpuJobs> = {
  async identify() {
    const report = (await identify(session)).value as RunnerIdentity;
    return { ...report, name: adapterName(report.adapter) };
  },
  async probe({ samples }) {
    const { gpu } = await session.open();
    return probeAdapter(gpu.device, samples);
  },
  run: ({ spec, given, tier }) => runSpec(session, spec, tier, { given }),
  async lose() {
    const { gpu } = await session.open();
    gpu.device.destroy();
    await gpu.device.lost;
    return undefined;
  },
};

// A driver does not wait for the work that it loses.
serve(handlers, ['lose']);
