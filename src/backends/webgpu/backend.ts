import { Fp8labError } from '../../errors.ts';
import type { VariantChoices } from '../../kernels/variants.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Backend, BackendIdentity, RunOptions, RunResult } from '../backend.ts';
import { distFile } from '../machine.ts';
import { adapterName, type RunnerIdentity } from './identify.ts';
import type { RunAnswer, RunRequest } from './jobs.ts';
import { type PlanOptions, planLaunches, type WebGpuName } from './launches.ts';
import type { ShaderSources } from './link.ts';
import { type Answer, type Patience, RunnerLink } from './runner-link.ts';
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
  /** Sees to it that the runner takes the variants wanted, those of an earlier trial, or those of a trial made now; names them. */
  variants(patience?: Patience): Promise<VariantChoices>;
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
  /** The variants of the fast tier, once the runner knows them. */
  variants?: Promise<VariantChoices>;
}

/** How a backend is made. */
export interface WebGpuOptions extends PlanOptions {
  /** Variants of shaders by family, in place of those that a trial finds fastest. */
  readonly variants?: VariantChoices;
  /** Shaders in place of shipped ones, by path under shaders/. */
  readonly shaders?: ShaderSources;
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

/** The backends `webgpu:node`, `webgpu:deno` and `webgpu:chromium`: the same but for how their runner is started. */
export function createWebGpuBackend(name: WebGpuName, options: WebGpuOptions): WebGpuBackend {
  let running: Running | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One request at a time: a runner does one thing after the other, and a time limit must not run while it waits. */
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
      return { identity, launch: launch.label, pid: link.transport.pid, milliseconds: performance.now() - began, link };
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  async function ensureRunning(patience: Patience): Promise<Running> {
    if (running !== undefined && !running.link.dead) return running;
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

  /** The variants of the fast tier, told to the runner once. */
  async function ensureVariants(patience: Patience): Promise<VariantChoices> {
    const runner = await ensureRunning(patience);
    runner.variants ??= chooseVariants(runner, patience);
    runner.variants.catch(() => {
      runner.variants = undefined;
    });
    return runner.variants;
  }

  async function chooseVariants({ link, identity }: Running, patience: Patience): Promise<VariantChoices> {
    const cache = openVariantCache(options.runnerFile ?? distFile('runner.js'), options.env ?? process.env);
    let found = cache.get(identity);
    if (found === undefined) {
      found = (await link.request<Trial>('trial', {}, {}, patience)).value.choices;
      cache.set(identity, found);
    }
    const variants = { ...found, ...options.variants };
    await link.request('choose', { variants }, {}, patience);
    return variants;
  }

  async function request<T>(kind: string, params: unknown, tensors: Tensors, patience: Patience): Promise<Answer<T>> {
    const { link } = await ensureRunning({ signal: patience.signal });
    return link.request<T>(kind, params, tensors, patience);
  }

  return {
    name,
    start: (patience = {}) => inTurn(() => ensureRunning(patience)),
    variants: (patience = {}) => inTurn(() => ensureVariants(patience)),
    identify: () => inTurn(async () => (await ensureRunning({})).identity),
    request: (kind, params, tensors = {}, patience = {}) => inTurn(() => request(kind, params, tensors, patience)),
    run(spec: ResolvedSpec, { tier = 'exact', inputs, timeout, signal }: RunOptions = {}): Promise<RunResult> {
      return inTurn(async () => {
        const { identity } = await ensureRunning({ signal });
        if (tier === 'fast') await ensureVariants({ timeout, signal });
        const began = performance.now();
        const asked: RunRequest = { spec, tier, shaders: options.shaders };
        const { value, tensors } = await request<RunAnswer>('run', asked, inputs ?? {}, { timeout, signal });
        const times = { total: performance.now() - began, ...value.times };
        return { spec: spec.name, identity, tensors, times, shaders: value.used };
      });
    },
    async close() {
      const closing = running;
      running = undefined;
      await closing?.link.close();
    },
  };
}
