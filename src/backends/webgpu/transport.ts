import type { Fp8labError } from '../../errors.ts';

/** A started runner, as a stream of bytes each way. */
export interface Transport {
  /** Process id of the runner or browser, for messages and tests. */
  readonly pid: number;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Called with what the runner writes, in order. Set once, before the first `send`. */
  onChunk(handler: (chunk: Uint8Array) => void): void;
  /** Resolves when the runner is gone, with the last it said of why; never rejects. */
  readonly closed: Promise<string>;
  /** Ends the runner at once and frees what it held. May be called again. */
  kill(): Promise<void>;
}

/** One way to start a runner: an environment, a set of flags. */
export interface Launch {
  /** What is special about it, as doctor shows it. */
  readonly label: string;
  /** Starts it. Throws `environment` errors where the program cannot be started at all. */
  start(): Promise<Transport>;
}

/** The ways to start a backend's runner, most wanted first; or the reason why there is none. */
export type LaunchPlan = { readonly launches: readonly Launch[] } | { readonly missing: Fp8labError };

const atExit = new Set<() => void>();
let listening = false;

function runAll(): void {
  for (const cleanup of atExit) cleanup();
}

/**
 * Runs `cleanup` (synchronous) when this process exits. Returns the function that takes it back.
 * A process that dies without exiting (SIGKILL, an unhandled SIGINT) closes its pipes, at which runners end by themselves.
 */
export function onProcessExit(cleanup: () => void): () => void {
  if (!listening) process.on('exit', runAll);
  listening = true;
  atExit.add(cleanup);
  return () => atExit.delete(cleanup);
}
