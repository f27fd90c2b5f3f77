import { kernelOf } from '../kernels/index.ts';
import { materializeInputs } from '../kernels/inputs.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import type { Backend, BackendIdentity, RunOptions, RunResult, RunTimes } from './backend.ts';

/** Tensors of a reference run, and the milliseconds it took. */
export interface ReferenceRun {
  readonly tensors: Tensors;
  readonly times: RunTimes;
}

/** Runs a spec's reference here and now. `given` stands in for the generated inputs. */
export function runReference(spec: ResolvedSpec, given: Tensors = {}): ReferenceRun {
  const kernel = kernelOf(spec);
  const started = performance.now();
  const inputs = materializeInputs(kernel.inputs(spec as never), given);
  const made = performance.now();
  const tensors = kernel.reference(spec as never, inputs);
  const ended = performance.now();
  return { tensors, times: { total: ended - started, inputs: made - started, kernel: ended - made } };
}

/** Who the reference is; `runtime` is the JavaScript engine's host. */
export function referenceIdentity(runtime: string): BackendIdentity {
  return { backend: 'reference', runtime, adapter: '', software: true, details: {} };
}

/**
 * The reference in the calling thread: for browsers and for small specs. A run cannot be stopped once it has begun, so `timeout` is
 * not held and `signal` only looked at beforehand; the backend of reference-threads.ts holds both. Node 20 has no navigator to name the runtime.
 */
export function createInlineReference(runtime = globalThis.navigator?.userAgent ?? 'JavaScript'): Backend {
  const identity = referenceIdentity(runtime);
  return {
    name: 'reference',
    identify: async () => identity,
    run: async (spec: ResolvedSpec, { inputs, signal }: RunOptions = {}): Promise<RunResult> => {
      signal?.throwIfAborted();
      return { spec: spec.name, identity, ...runReference(spec, inputs) };
    },
    close: async () => {},
  };
}
