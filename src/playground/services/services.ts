import type { ProbeCard } from '../../backends/webgpu/probe.ts';
import type { Fp8labError } from '../../errors.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { requireBudget } from './budget.ts';
import type { Checked, ComputeJobs } from './compute-worker.ts';
import type { AdapterReport, GpuJobs } from './gpu-worker.ts';
import { WorkerClient } from './rpc.ts';

/** What is known of the adapter. */
export type AdapterState =
  | { readonly kind: 'looking' }
  | { readonly kind: 'none'; readonly error: Fp8labError }
  | { readonly kind: 'found'; readonly report: AdapterReport; readonly probe?: ProbeCard };

/** A spec run here: on the adapter where there is one, and always on the reference. */
export interface SpecOutcome extends Checked {
  readonly actual?: Tensors;
  /** Milliseconds on the adapter, inputs not counted. */
  readonly webgpu?: number;
  /** Of these, in which shaders were compiled and nothing else happened. */
  readonly compile?: number;
}

/** Workers and what the page knows of its adapter. */
export interface Services {
  readonly gpu: WorkerClient<GpuJobs>;
  readonly compute: WorkerClient<ComputeJobs>;
  readonly adapter: AdapterState;
  /** Resolves once it is known whether there is an adapter. */
  readonly known: Promise<AdapterState>;
  onAdapter(listener: (state: AdapterState) => void): () => void;
  /** Gives up every device of the page, as a driver reset would: work under way fails, the next run asks for another. */
  loseDevices(): void;
  /** Calls `listener` when the page's devices are given up: for those that a page holds by itself. */
  onLose(listener: () => void, signal: AbortSignal): void;
  /** Asks the adapter what its arithmetic does; once, the answer is kept. */
  probe(): Promise<ProbeCard>;
  /** Runs a spec on the adapter and holds it against the reference; without an adapter, on the reference alone. */
  run(spec: ResolvedSpec, options?: { readonly given?: Tensors; readonly signal?: AbortSignal }): Promise<SpecOutcome>;
}

/** Past this a run on the adapter is given up: a stuck driver must not hold the page. */
const runLimit = 120_000;

/** Samples an operation of the numerics probe gets: enough to tell its meaning, quick on a software adapter. */
const probeSamples = 512;

/** Starts looking for an adapter; the reference worker starts at its first job. */
export function createServices(): Services {
  const gpu = new WorkerClient<GpuJobs>(
    'the GPU worker',
    () => new Worker(new URL('./gpu-worker.ts', import.meta.url), { type: 'module' }),
  );
  const compute = new WorkerClient<ComputeJobs>(
    'the reference worker',
    () => new Worker(new URL('./compute-worker.ts', import.meta.url), { type: 'module' }),
  );
  const listeners = new Set<(state: AdapterState) => void>();
  const losing = new EventTarget();
  let adapter: AdapterState = { kind: 'looking' };
  let probing: Promise<ProbeCard> | undefined;
  const tell = (state: AdapterState): AdapterState => {
    adapter = state;
    for (const listener of listeners) listener(state);
    return state;
  };
  const known = gpu.call('identify', undefined, { timeout: 30_000 }).then(
    (report) => tell({ kind: 'found', report }),
    (error: Fp8labError) => tell({ kind: 'none', error }),
  );
  const probe = async (): Promise<ProbeCard> => {
    const card = await gpu.call('probe', { samples: probeSamples }, { timeout: runLimit });
    if (adapter.kind === 'found') tell({ ...adapter, probe: card });
    return card;
  };
  return {
    gpu,
    compute,
    known,
    get adapter() {
      return adapter;
    },
    onAdapter(listener) {
      listeners.add(listener);
      listener(adapter);
      return () => listeners.delete(listener);
    },
    loseDevices() {
      gpu.call('lose', undefined).catch(() => undefined);
      losing.dispatchEvent(new Event('lose'));
    },
    onLose(listener, signal) {
      losing.addEventListener('lose', listener, { signal });
    },
    probe() {
      probing ??= probe();
      probing.catch(() => {
        probing = undefined;
      });
      return probing;
    },
    async run(spec, { given, signal } = {}) {
      requireBudget(spec);
      const { kind } = await known;
      if (kind === 'none') return compute.call('check', { spec, given }, { signal });
      const { tensors, times } = await gpu.call('run', { spec, given }, { signal, timeout: runLimit });
      const checked = await compute.call('check', { spec, given, actual: tensors }, { signal });
      return { ...checked, actual: tensors, webgpu: times.kernel, compile: times.compile };
    },
  };
}
