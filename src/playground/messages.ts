/** What the page asks of its worker: the adapter at once, the specs at `run`. */
export interface RunRequest {
  readonly kind: 'run';
}

/** One spec, run on WebGPU and held against the reference. */
export interface SpecOutcome {
  readonly kind: 'spec';
  readonly spec: string;
  readonly elements: number;
  readonly mismatches: number;
  /** Milliseconds, inputs not counted. */
  readonly webgpu: number;
  readonly reference: number;
}

/** What the worker tells. */
export type WorkerMessage =
  | { readonly kind: 'adapter'; readonly adapter: string; readonly software: boolean; readonly specs: number }
  | SpecOutcome
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly what: string; readonly message: string; readonly fix: string };
