import { Fp8labError } from '../../errors.ts';
import { kernelOf } from '../../kernels/index.ts';
import { type Family, familiesOf, lackedBy, type VariantChoices } from '../../kernels/variants.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Backend, BackendIdentity, RunOptions, RunResult } from '../backend.ts';
import { distFile } from '../machine.ts';
import { interruptedError } from '../sent-error.ts';
import { adapterName, type RunnerIdentity } from './identify.ts';
import type { RunAnswer, RunRequest, TrialRequest } from './jobs.ts';
import { type PlanOptions, planLaunches, type WebGpuName } from './launches.ts';
import type { ShaderSources } from './link.ts';
import { type Answer, type Patience, RunnerLink, untilBegun } from './runner-link.ts';
import type { Launch } from './transport.ts';
import type { Trial } from './trial.ts';
import { openVariantCache } from './variant-cache.ts';

/** Milliseconds a runner may take to start and name its adapter; a cold browser on a busy machine takes several seconds. */
const startLimit = 60_000;

/** A backend whose runner is another process, with the requests that go beyond running specs. */
export interface WebGpuBackend extends Backend {
  readonly name: WebGpuName;
  /** Asks the runner for one of its jobs (`probe`, ...). Starts it where needed. Throws Fp8labError. */
  request<T>(kind: string, params: unknown, tensors?: Tensors, patience?: Patience): Promise<Answer<T>>;
  /**
   * Sees to it that the runner takes, of every family that the specs' kernels have, the variant wanted, that of an earlier trial, or that of a
   * trial made now; names them. Throws `variant-not-here` where the adapter lacks what one needs.
   */
  variants(specs: readonly ResolvedSpec[], patience?: Patience): Promise<VariantChoices>;
  /** Starts the runner and tells how: which way worked, its process, the milliseconds it took. */
  start(patience?: Patience): Promise<Started>;
}

/** A runner that is up. */
export interface Started {
  readonly identity: BackendIdentity;
  /** The environment or flags that gave the adapter. */
  readonly launch: string;
  readonly pid: number;
  readonly milliseconds: number;
}

interface Running extends Started {
  readonly link: RunnerLink;
  /** The fast tier's variants that the runner was told of. */
  variants: VariantChoices;
}

/** How a backend is made. */
export interface WebGpuOptions extends PlanOptions {
  /** Variants of shaders by family, in place of those that a trial finds fastest. */
  readonly variants?: VariantChoices;
  /** Shaders in place of shipped ones, by path under shaders/. */
  readonly shaders?: ShaderSources;
  /** Hears, in a line, of what takes a while before anything is run: a trial of variants. */
  readonly notify?: (line: string) => void;
}

function asIdentity(backend: WebGpuName, seen: RunnerIdentity, launch: string): BackendIdentity {
  const { vendor, architecture, device } = seen.adapter;
  return {
    backend,
    runtime: seen.runtime,
    adapter: adapterName(seen.adapter),
    software: seen.adapter.software,
    details: { vendor, architecture, device, launch, features: seen.features.join(' '), ...seen.limits },
  };
}

function noLaunchWorked(name: WebGpuName, tried: readonly string[]): Fp8labError {
  return new Fp8labError(`${name} found no usable adapter:\n${tried.map((line) => `  ${line}`).join('\n')}`, {
    kind: 'environment',
    code: 'no-adapter',
    where: name,
    fix: 'run `fp8lab doctor`: it says which driver is missing and how to install it',
  });
}

/** Refuses a variant that was asked for and cannot run on the adapter. */
function requireFeatures({ name, variants }: Family, wanted: string | undefined, identity: BackendIdentity): void {
  const features = String(identity.details.features).split(' ');
  const has = (feature: string): boolean => features.includes(feature);
  const variant = variants.find((each) => each.name === wanted);
  const lacked = variant === undefined ? [] : lackedBy({ has }, variant);
  if (lacked.length === 0) return;
  const others = variants.filter((each) => lackedBy({ has }, each).length === 0);
  throw new Fp8labError(`${name}=${wanted} needs ${lacked.join(' and ')}, which ${identity.adapter} lacks`, {
    kind: 'usage',
    code: 'variant-not-here',
    where: `--variant ${name}=${wanted} on ${identity.backend}`,
    fix: `choose among ${others.map((each) => `${name}=${each.name}`).join(', ')}`,
  });
}

/** The backends `webgpu:node`, `webgpu:deno` and `webgpu:chromium`: the same but for how their runner is started. */
export function createWebGpuBackend(name: WebGpuName, options: WebGpuOptions): WebGpuBackend {
  let running: Running | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** Starts a runner, and chooses its variants, for one request after the other. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  }

  async function tryLaunch(launch: Launch, patience: Patience): Promise<Running> {
    const began = performance.now();
    const link = new RunnerLink(name, await launch.start());
    try {
      const limit = Math.min(startLimit, patience.timeout ?? startLimit);
      const { value } = await link.request<RunnerIdentity>('identify', {}, {}, { ...patience, timeout: limit });
      const identity = asIdentity(name, value, launch.label);
      const milliseconds = performance.now() - began;
      return { identity, launch: launch.label, pid: link.transport.pid, milliseconds, link, variants: {} };
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  async function ensureRunning(patience: Patience): Promise<Running> {
    if (running !== undefined && !running.link.dead) return running;
    if (patience.signal?.aborted) throw interruptedError(name);
    const plan = planLaunches(name, options);
    if ('missing' in plan) throw plan.missing;
    const tried: string[] = [];
    for (const launch of plan.launches) {
      try {
        running = await tryLaunch(launch, patience);
        return running;
      } catch (error) {
        if (!(error instanceof Fp8labError) || error.kind === 'interrupted') throw error;
        tried.push(`${launch.label}: ${error.message}`);
      }
    }
    throw noLaunchWorked(name, tried);
  }

  /** The variants of families, told to the runner once. */
  async function ensureVariants(specs: readonly ResolvedSpec[], patience: Patience): Promise<VariantChoices> {
    const runner = await ensureRunning(patience);
    const unknown = familiesOf(...specs.map(kernelOf)).filter(({ name }) => runner.variants[name] === undefined);
    if (unknown.length > 0) {
      const found = await chooseVariants(runner, unknown, patience);
      await runner.link.request('choose', { variants: found }, {}, patience);
      runner.variants = { ...runner.variants, ...found };
    }
    return runner.variants;
  }

  async function chooseVariants(
    { link, identity }: Running,
    families: readonly Family[],
    patience: Patience,
  ): Promise<VariantChoices> {
    for (const family of families) requireFeatures(family, options.variants?.[family.name], identity);
    const cache = openVariantCache(options.runnerFile ?? distFile('runner.js'), options.env ?? process.env);
    const known = { ...cache.get(identity), ...options.variants };
    const names = families.map(({ name }) => name).filter((name) => known[name] === undefined);
    if (names.length === 0) return known;
    options.notify?.(`${name}: finding the fastest shaders of ${names.join(', ')}, once for this adapter`);
    const { choices } = (await link.request<Trial>('trial', { names } satisfies TrialRequest, {}, patience)).value;
    cache.set(identity, choices);
    return { ...known, ...choices };
  }

  /** Asks a runner that is `ready`; the next one, where it ended for an earlier request's sake before it came to this. */
  function ask<T>(
    ready: () => Promise<Running>,
    kind: string,
    params: unknown,
    tensors: Tensors,
    patience: Patience,
  ): Promise<Answer<T> & { readonly identity: BackendIdentity }> {
    return untilBegun(name, patience.signal, async () => {
      const { link, identity } = await inTurn(ready);
      return { ...(await link.request<T>(kind, params, tensors, patience)), identity };
    });
  }

  async function run(
    spec: ResolvedSpec,
    { tier = 'exact', inputs = {}, timeout, signal, next = [] }: RunOptions = {},
  ): Promise<RunResult> {
    const ready = async () => {
      const runner = await ensureRunning({ signal });
      if (tier === 'fast') await ensureVariants([spec], { timeout, signal });
      return runner;
    };
    const asked: RunRequest = { spec, tier, shaders: options.shaders, next };
    const answer = await ask<RunAnswer>(ready, 'run', asked, inputs, { timeout, signal });
    const { value, tensors, identity, milliseconds } = answer;
    return { spec: spec.name, identity, tensors, times: { total: milliseconds, ...value.times }, shaders: value.used };
  }

  return {
    name,
    queues: true,
    start: (patience = {}) => inTurn(() => ensureRunning(patience)),
    variants: (specs, patience = {}) => inTurn(() => ensureVariants(specs, patience)),
    identify: () => inTurn(async () => (await ensureRunning({})).identity),
    request: (kind, params, tensors = {}, patience = {}) =>
      ask(() => ensureRunning({ signal: patience.signal }), kind, params, tensors, patience),
    run,
    async close() {
      const closing = running;
      running = undefined;
      await closing?.link.close();
    },
  };
}
