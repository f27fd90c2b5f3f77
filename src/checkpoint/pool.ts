import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Fp8labError } from '../errors.ts';
import { type Job, type JobResults, runJob } from './jobs.ts';
import type { Answer, WireError } from './worker.ts';

/** Runs jobs, as many at a time as it has workers; further ones wait. */
export interface Pool {
  /** Worker threads; 0 where jobs run in the calling thread. */
  readonly workers: number;
  run<J extends Job>(job: J): Promise<JobResults[J['kind']]>;
  /** Ends the workers; jobs under way are given up. */
  close(): Promise<void>;
}

/** Workers where no number is given: one a core, at most eight (beyond that the disk is the limit, and each takes about 50 MB). */
export function defaultWorkers(): number {
  return Math.min(availableParallelism(), 8);
}

/** More than any machine has use for, and far fewer than end it. */
export const mostWorkers = 256;

/** The built worker stands beside the bundle, or one folder up from a chunk of it. From sources there is none. */
function workerFile(): string | undefined {
  const places = ['./checkpoint-worker.js', '../checkpoint-worker.js'];
  return places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
}

/**
 * A pool of worker threads; jobs run in the calling thread where `workers` is 0 or the worker has not been built.
 * `signal` gives all up: waiting and running jobs reject with `interrupted`.
 */
export function createPool(workers: number, signal?: AbortSignal): Pool {
  const file = workerFile();
  return workers === 0 || file === undefined ? localPool(signal) : threadPool(file, workers, signal);
}

/** The error of a command that the user stopped. */
export function interrupted(): Fp8labError {
  const fix = 'run the same command again: what was complete is kept';
  return new Fp8labError('interrupted', { kind: 'interrupted', code: 'interrupted', where: 'signal', fix });
}

function localPool(signal: AbortSignal | undefined): Pool {
  return {
    workers: 0,
    async run(job) {
      // Lets a signal or a timer in between two jobs.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) throw interrupted();
      return runJob(job);
    },
    async close() {},
  };
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

function threadPool(file: string, count: number, signal: AbortSignal | undefined): Pool {
  const queue: Waiting[] = [];
  const running = new Map<Worker, Waiting>();
  let failure: unknown;
  // A worker keeps a few buffers of a slice and little else: a small heap is collected sooner.
  const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8 };
  const threads = Array.from({ length: count }, () => new Worker(file, { resourceLimits }));
  const idle = [...threads];

  const feed = (): void => {
    while (idle.length > 0 && queue.length > 0) {
      const worker = idle.pop()!;
      const waiting = queue.shift()!;
      running.set(worker, waiting);
      worker.postMessage(waiting.job);
    }
  };
  const fail = (error: unknown): void => {
    failure ??= error;
    for (const { reject } of [...queue.splice(0), ...running.values()]) reject(failure);
    running.clear();
  };
  for (const worker of threads) {
    worker.on('message', (answer: Answer) => {
      const waiting = running.get(worker);
      running.delete(worker);
      idle.push(worker);
      if ('error' in answer) waiting?.reject(fromWire(answer.error));
      else waiting?.resolve(answer.result as never);
      feed();
    });
    worker.on('error', (cause) => fail(workerDied(cause)));
  }
  const stop = (): void => fail(interrupted());
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  return {
    workers: count,
    run: (job) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        queue.push({ job, resolve, reject });
        feed();
      }),
    async close() {
      signal?.removeEventListener('abort', stop);
      fail(interrupted());
      await Promise.all(threads.map((worker) => worker.terminate()));
    },
  };
}

function fromWire({
  message,
  kind = 'environment',
  code = 'worker-failed',
  where = 'worker',
  fix = '',
}: WireError): Error {
  return new Fp8labError(message, { kind, code, where, fix });
}

function workerDied(cause: unknown): Error {
  const fix = 'use fewer --workers, or give the machine more memory';
  const problem = `a worker died: ${cause instanceof Error ? cause.message : cause}`;
  return new Fp8labError(problem, { kind: 'environment', code: 'worker-failed', where: 'worker', fix, cause });
}

/**
 * Runs `task` over items, `limit` at a time, in order of their coming. The first failure stops the taking of new ones and is thrown once those under way
 * have ended, so that nothing still writes afterwards.
 */
export async function forEachConcurrent<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      try {
        await task(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane));
  const rejected = lanes.find((outcome) => outcome.status === 'rejected');
  if (rejected !== undefined) throw (rejected as PromiseRejectedResult).reason;
}
