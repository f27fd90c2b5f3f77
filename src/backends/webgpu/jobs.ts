import { families } from '../../kernels/index.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { VariantChoices } from '../../kernels/variants.ts';
import { type PinnedFunction, pinnedFunctions } from '../../numerics/exp.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type Tensors } from '../../tensors/tensor.ts';
import { benchSpec } from './bench.ts';
import { encodePatterns, functionOfPatterns } from './exhaustive.ts';
import { identify } from './identify.ts';
import type { ShaderSources } from './link.ts';
import { type AgainstRequest, timeAgainst } from './peers/against.ts';
import { probeAdapter } from './probe.ts';
import { type RunnerTimes, runSpec } from './run-spec.ts';
import type { Jobs, Reply } from './serve.ts';
import type { Session } from './session.ts';
import type { BenchOptions } from './timing.ts';
import type { TrialOptions } from './trial.ts';

/** What a run is asked for with; inputs that are not generated come as tensors. */
export interface RunRequest {
  readonly spec: ResolvedSpec;
  readonly tier: Tier;
  readonly shaders?: ShaderSources;
  /** Specs to make ready for meanwhile, in the order of their runs. */
  readonly next?: readonly ResolvedSpec[];
}

/** Which families to try, by name, and how. */
export interface TrialRequest extends Omit<TrialOptions, 'shaders'> {
  readonly names: readonly string[];
}

/** What a run answers with, beside its tensors. */
export interface RunAnswer {
  readonly times: RunnerTimes;
  readonly used: readonly string[];
}

async function run(session: Session, { spec, tier, shaders, next }: RunRequest, given: Tensors): Promise<Reply> {
  const { tensors, times, used } = await runSpec(session, spec, tier, { given, shaders, next });
  return { value: { times, used } satisfies RunAnswer, tensors };
}

async function probe(session: Session, { samples }: { samples: number }): Promise<Reply> {
  const { gpu } = await session.open();
  return { value: await probeAdapter(gpu.device, samples) };
}

/** f32 bit patterns from `first` on, encoded (saturate, nearest-even) or through a pinned function: a piece of the exhaustive check. */
async function patterns(
  session: Session,
  { of, first, count }: { of: FormatName | PinnedFunction; first: number; count: number },
): Promise<Reply> {
  const { gpu } = await session.open();
  if (isFunction(of)) {
    const codes = await functionOfPatterns(gpu, of, first, count);
    return { tensors: { codes: { dtype: 'F32', shape: [count], codes } } };
  }
  const encoding = { format: of, rounding: 'nearest-even', overflow: 'saturate' } as const;
  const codes = await encodePatterns(gpu, encoding, first, count);
  return { tensors: { codes: { dtype: dtypeOfFormat[of], shape: [count], codes } } };
}

const isFunction = (name: string): name is PinnedFunction => Object.hasOwn(pinnedFunctions, name);

/** Times a spec, with its results so that they can be verified first. */
async function bench(
  session: Session,
  { spec, tier, options }: { spec: ResolvedSpec; tier: Tier; options: BenchOptions },
): Promise<Reply> {
  const { times, tensors } = await benchSpec(session, spec, tier, options);
  return { value: times, tensors };
}

/** Times a spec against other libraries, in a page that has them. */
async function against(session: Session, request: AgainstRequest): Promise<Reply> {
  const { times, tensors } = await timeAgainst(session, request);
  return { value: times, tensors };
}

/** Tries every variant of the families named; the fastest are taken from then on. */
async function trial(session: Session, { names, ...options }: TrialRequest): Promise<Reply> {
  const wanted = families.filter(({ name }) => names.includes(name));
  return { value: await session.trial(wanted, options) };
}

/** Takes variants that an earlier trial found, or that somebody asks for. */
async function choose(session: Session, { variants }: { variants: VariantChoices }): Promise<Reply> {
  session.choose(variants);
  return {};
}

/** What every runner can do. */
export const standardJobs: Jobs = { identify, run, probe, patterns, bench, against, trial, choose };
