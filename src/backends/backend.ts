import type { Tier } from '../kernels/kernel.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';

/** Names of the backends. `native:*` are the C++ and CUDA runner. */
export type BackendName =
  | 'reference'
  | 'webgpu:node'
  | 'webgpu:deno'
  | 'webgpu:chromium'
  | 'native:host'
  | 'native:cuda';

/** Which adapter a WebGPU backend asks for. */
export type AdapterChoice = 'auto' | 'hardware' | 'software';

/** Who computed: enough to tell two machines apart, nothing that identifies a person. */
export interface BackendIdentity {
  readonly backend: BackendName;
  /** Runtime and version: `node 20.20.2 (dawn)`, `Chrome/156.0.8078.73`. */
  readonly runtime: string;
  /** Adapter as its driver names it; empty for the reference. */
  readonly adapter: string;
  /** True when the "GPU" is a CPU (SwiftShader, lavapipe). */
  readonly software: boolean;
  /** Other facts worth recording: driver, limits, features. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** Times of one run, in milliseconds of wall clock. */
export interface RunTimes {
  /** Everything between the call and the result. */
  readonly total: number;
  /** Waiting for the inputs to be made. */
  readonly inputs: number;
  /** What is left for the kernel, with uploads and read-back. */
  readonly kernel: number;
  /** Of `kernel`, in which it waited for shaders to be compiled; WebGPU alone. */
  readonly compile?: number;
}

/** What one run of one spec on one backend gave. */
export interface RunResult {
  readonly spec: string;
  readonly identity: BackendIdentity;
  readonly tensors: Tensors;
  readonly times: RunTimes;
  /** Paths of the shaders that the run was compiled of, where some stood in for shipped ones. */
  readonly shaders?: readonly string[];
}

/** How a spec is run. */
export interface RunOptions {
  readonly tier?: Tier;
  /** Inputs from a file instead of the spec's generators, under the contract's tensor names. */
  readonly inputs?: Tensors;
  /** Wall-clock limit in milliseconds; past it the device is given up and the run fails with `time-limit`. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Specs that will be run after this one, in this order and the same tier. A backend may make ready what they need; their results are the same. */
  readonly next?: readonly ResolvedSpec[];
}

/**
 * Something that runs specs. `run` may be called again after it failed: a backend whose device was lost or whose process died
 * starts a new one. `close` frees the process, browser or device; it may be called twice.
 */
export interface Backend {
  readonly name: BackendName;
  /** Takes a run while earlier ones are on and does them in order, each timed from when it comes to it: its device need not wait for the next. */
  readonly queues?: boolean;
  /** Whether it has a kernel for a spec; where this is left out it has one for every spec. */
  has?(spec: ResolvedSpec): boolean;
  identify(): Promise<BackendIdentity>;
  run(spec: ResolvedSpec, options?: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
}
