import type { BackendIdentity, BackendName } from '../backends/backend.ts';
import { availableBackends, parseBackendName } from '../backends/registry.ts';
import type { WebGpuBackend } from '../backends/webgpu/backend.ts';
import type { SpecTimes } from '../backends/webgpu/bench.ts';
import type { WebGpuName } from '../backends/webgpu/launches.ts';
import type { BenchOptions } from '../backends/webgpu/timing.ts';
import { Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import type { VariantChoices } from '../kernels/variants.ts';
import type { LoadedSpec } from '../specs/load.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { type BenchCommandOptions, limit, verify } from './bench-parts.ts';
import type { Io } from './io.ts';

/** A spec timed on a backend. */
export interface BenchEntry {
  readonly spec: string;
  readonly kernel: string;
  readonly backend: BackendName;
  readonly tier: Tier;
  /** Multiply-adds of the spec's product; 0 for kernels without one. */
  readonly multiplyAdds: number;
  readonly times: SpecTimes;
}

/** The WebGPU backends asked for; without a list, all that this machine can run. */
export function chooseBackends(options: BenchCommandOptions, io: Io): WebGpuName[] {
  const availability = availableBackends({ adapter: options.adapter, env: io.env });
  const wanted = options.backends?.split(',').map((name) => parseBackendName(name.trim()));
  for (const name of wanted ?? []) {
    const missing = availability.find((backend) => backend.name === name)?.missing;
    if (missing !== undefined) throw missing;
    if (!name.startsWith('webgpu:')) {
      const fix = 'time webgpu:node, webgpu:deno or webgpu:chromium; native-cuda has fp8lab-bench for CUDA';
      throw new Fp8labError(`${name} is not timed here`, { kind: 'usage', code: 'no-bench', where: '--backends', fix });
    }
  }
  const present = availability.filter(({ name, missing }) => name.startsWith('webgpu:') && missing === undefined);
  return (wanted ?? present.map(({ name }) => name)) as WebGpuName[];
}

const productWork = ({ spec }: LoadedSpec): number =>
  spec.kernel === 'gemm' ? spec.shape.m * spec.shape.n * spec.shape.k : 0;

/** What a backend's specs took. */
export interface BackendRun {
  readonly identity: BackendIdentity;
  /** The fast tier's variants that were taken. */
  readonly variants: VariantChoices;
  readonly entries: readonly BenchEntry[];
}

/** Verifies and times specs on one backend. Throws `wrong-result` where one is wrong. */
export async function timeBackend(
  backend: WebGpuBackend,
  specs: readonly LoadedSpec[],
  expected: ReadonlyMap<string, Tensors>,
  options: Required<Pick<BenchCommandOptions, 'tier' | 'samples' | 'batch'>>,
  io: Io,
): Promise<BackendRun> {
  const patience = { timeout: limit, signal: io.signal };
  const { identity } = await backend.start(patience);
  const resolved = specs.map(({ spec }) => spec);
  const variants = options.tier === 'fast' ? await backend.variants(resolved, patience) : {};
  const measured: BenchOptions = { samples: options.samples, batch: options.batch };
  const entries: BenchEntry[] = [];
  for (const spec of specs) {
    io.stderr(`${backend.name}: ${spec.label}\n`);
    const params = { spec: spec.spec, tier: options.tier, options: measured };
    const { value: times, tensors } = await backend.request<SpecTimes>('bench', params, {}, patience);
    verify(spec, options.tier, backend.name, expected.get(spec.label)!, tensors);
    const { kernel } = spec.spec;
    entries.push({
      spec: spec.label,
      kernel,
      backend: backend.name,
      tier: options.tier,
      multiplyAdds: productWork(spec),
      times,
    });
  }
  return { identity, variants, entries };
}
