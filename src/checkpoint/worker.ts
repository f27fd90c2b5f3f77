import { parentPort } from 'node:worker_threads';
import { Fp8labError } from '../errors.ts';
import { type Job, runJob } from './jobs.ts';

/** What a worker answers. */
export type Answer = { readonly result: unknown } | { readonly error: WireError };

/** An {@link Fp8labError} as it crosses the thread boundary. */
export interface WireError {
  readonly message: string;
  readonly kind?: Fp8labError['kind'];
  readonly code?: string;
  readonly where?: string;
  readonly fix?: string;
}

parentPort?.on('message', (job: Job) => {
  parentPort!.postMessage(answer(job));
});

function answer(job: Job): Answer {
  try {
    return { result: runJob(job) };
  } catch (error) {
    if (!(error instanceof Fp8labError)) return { error: { message: String(error) } };
    const { message, kind, code, where, fix } = error;
    return { error: { message, kind, code, where, fix } };
  }
}
