import type { BackendIdentity, BackendName } from '../backends/backend.ts';
import { availableBackends, parseBackendName } from '../backends/registry.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../backends/webgpu/backend.ts';
import type { DispatchTime, SpecTimes } from '../backends/webgpu/bench.ts';
import type { WebGpuName } from '../backends/webgpu/launches.ts';
import type { Peaks } from '../backends/webgpu/peaks.ts';
import type { BenchOptions } from '../backends/webgpu/timing.ts';
import { families } from '../backends/webgpu/trial.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import type { VariantChoices } from '../kernels/variants.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { loadSpecs } from '../specs/load.ts';
import type { Tensors } from '../tensors/tensor.ts';
import {
  type BenchCommandOptions,
  describeIdentity,
  expectedResults,
  limit,
  milliseconds,
  verify,
} from './bench-parts.ts';
import type { Io } from './io.ts';
import { specFolder } from './specs.ts';
import { table } from './table.ts';

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

/** Variants asked for: `gemm=streams-8x8`, several with commas between them. Throws `unknown-variant` (kind `usage`). */
function parseVariants(text: string | undefined): VariantChoices {
  const pairs = (text ?? '').split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(pairs.map(parseVariant));
}

function parseVariant(text: string): [string, string] {
  const [family = '', variant = ''] = text.split('=').map((part) => part.trim());
  const known = families.find(({ name }) => name === family);
  if (known?.variants.includes(variant)) return [family, variant];
  throw new Fp8labError(`there is no variant ${text}`, {
    kind: 'usage',
    code: 'unknown-variant',
    where: '--variant',
    fix: `choose among ${families.flatMap(({ name, variants }) => variants.map((it) => `${name}=${it}`)).join(', ')}`,
  });
}

/** Specs that are timed where none is named. */
const defaultSpecs = [
  'gemm/bench-1024',
  'quantize/bench-1024x7168',
  'dequantize/bench-1024x7168',
  'requantize/bench-1024x7168',
];

/** The WebGPU backends asked for; without a list, all that this machine can run. */
function chooseBackends(options: BenchCommandOptions, io: Io): WebGpuName[] {
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

/** Times specs on one backend. */
async function timeBackend(
  backend: WebGpuBackend,
  specs: readonly LoadedSpec[],
  expected: ReadonlyMap<string, Tensors>,
  options: Required<Pick<BenchCommandOptions, 'tier' | 'samples' | 'batch'>>,
  io: Io,
): Promise<{ identity: BackendIdentity; variants: VariantChoices; entries: BenchEntry[] }> {
  const patience = { timeout: limit, signal: io.signal };
  const { identity } = await backend.start(patience);
  const variants = options.tier === 'fast' ? await backend.variants(patience) : {};
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

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Sum of a plan's dispatches, each at its median. */
const inShaders = ({ dispatches }: SpecTimes): number =>
  dispatches.reduce((sum, { time, count }) => sum + time.median * count, 0);

/** The share of what the adapter reaches: of multiply-adds for the product's dispatches, of copy bandwidth for the others. */
function shareOfPeak({ multiplyAdds, times: { peaks } }: BenchEntry, dispatch: DispatchTime): string {
  if (dispatch.entryPoint === 'multiply') {
    const rate = multiplyAdds / ((dispatch.time.min * dispatch.count) / 1000);
    return `${(rate / 1e9).toFixed(3)} G multiply-adds/s, ${percent(rate / peaks.outerProducts)} of sums in registers, ${percent(rate / peaks.multiplyAdds)} of peak`;
  }
  const rate = dispatch.bytes / (dispatch.time.min / 1000);
  return `${(rate / 1e9).toFixed(2)} GB/s, ${percent(rate / peaks.copyBytes)} of copy`;
}

const peaksText = ({ multiplyAdds, outerProducts, copyBytes }: Peaks): string =>
  `  peaks in the same rounds: ${(multiplyAdds / 1e9).toFixed(2)} G multiply-adds/s, ${(outerProducts / 1e9).toFixed(2)} into 8 x 8 sums, copy ${(copyBytes / 1e9).toFixed(2)} GB/s\n`;

function entryText(entry: BenchEntry): string {
  const { times } = entry;
  const rows = times.dispatches.map((dispatch) => [
    `  ${dispatch.shader.replace('kernels/', '')}:${dispatch.entryPoint}${dispatch.count > 1 ? ` x ${dispatch.count}` : ''}`,
    `${milliseconds(dispatch.time.median)} ms`,
    `${milliseconds(dispatch.time.min)} to ${milliseconds(dispatch.time.max)}`,
    shareOfPeak(entry, dispatch),
  ]);
  const whole = `  whole run ${milliseconds(times.whole.median)} ms, of it in shaders ${percent(inShaders(times) / times.whole.median)}; the first ${milliseconds(times.first)} ms\n`;
  return `${entry.spec} (${entry.tier})\n${table(rows)}${whole}${peaksText(times.peaks)}`;
}

/** `fp8lab bench`: what kernels cost on this machine's adapters, after their results are verified. */
export async function benchCommand(names: readonly string[], options: BenchCommandOptions, io: Io): Promise<number> {
  const variants = parseVariants(options.variant);
  if (options.against !== undefined) {
    const { benchAgainst } = await import('./bench-against.ts');
    return benchAgainst(names, { ...options, against: options.against }, variants, io);
  }
  const specs = await loadSpecs(names.length > 0 ? names : defaultSpecs, specFolder());
  const chosen = chooseBackends(options, io);
  const expected = await expectedResults(specs, io);
  const settings = { tier: options.tier ?? 'exact', samples: options.samples ?? 5, batch: options.batch ?? 50 };
  const runs = [];
  for (const name of chosen) {
    const backend = createWebGpuBackend(name, { adapter: options.adapter ?? 'auto', env: io.env, variants });
    try {
      const run = await timeBackend(backend, specs, expected, settings, io);
      runs.push(run);
      if (!options.json) io.stdout(`${describeIdentity(run.identity)}${run.entries.map(entryText).join('')}\n`);
    } finally {
      await backend.close();
    }
  }
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, settings, runs })}\n`);
  return exitCodes.ok;
}
