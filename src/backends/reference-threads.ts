import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Fp8labError } from '../errors.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Backend, RunOptions, RunResult } from './backend.ts';
import { distFile } from './machine.ts';
import { createInlineReference, type ReferenceRun, referenceIdentity } from './reference.ts';
import { interruptedError, receivedError, type SentError, timeLimitError } from './sent-error.ts';

const who = 'reference';

type Outcome = { readonly run: ReferenceRun } | { readonly error: SentError };

function threadDied(reason: string): Fp8labError {
  return new Fp8labError(`the reference's thread ${reason}`, {
    kind: 'device',
    code: /memory|heap/i.test(reason) ? 'out-of-memory' : 'runner-died',
    where: who,
    fix: 'run a smaller spec; the next one starts a new thread',
  });
}

/** Waits for the thread's answer, its death, the clock or the caller, whichever is first. */
function waitFor(worker: Worker, { timeout, signal }: RunOptions): Promise<Outcome> {
  return new Promise<Outcome>((resolve, reject) => {
    const timer =
      timeout === undefined ? undefined : setTimeout(() => settle(reject, timeLimitError(who, timeout)), timeout);
    const onAbort = () => settle(reject, interruptedError(who));
    const onMessage = (outcome: Outcome) => settle(resolve, outcome);
    const onError = (error: Error) => settle(reject, threadDied(`failed: ${error.message}`));
    const onExit = (code: number) => settle(reject, threadDied(`ended with code ${code}`));
    function settle<T>(done: (value: T) => void, value: T): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      done(value);
    }
    signal?.addEventListener('abort', onAbort);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}

/** The reference in a thread of its own: it runs beside other backends, and a run that takes too long is ended. */
export function createReferenceBackend(workerFile = distFile('reference-worker.js')): Backend {
  // Sources that were not built yet (an editor's test run) have no worker to start.
  if (!existsSync(workerFile)) return createInlineReference(`node ${process.versions.node}`);
  const identity = referenceIdentity(`node ${process.versions.node}`);
  let worker: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function end(): Promise<void> {
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  }

  function ensureWorker(): Worker {
    if (worker === undefined) {
      const started = new Worker(workerFile);
      started.on('exit', () => {
        if (worker === started) worker = undefined;
      });
      // An idle thread must not keep the program alive.
      started.unref();
      worker = started;
    }
    return worker;
  }

  async function run(spec: ResolvedSpec, options: RunOptions): Promise<RunResult> {
    if (options.signal?.aborted) throw interruptedError(who);
    const began = performance.now();
    const thread = ensureWorker();
    thread.ref();
    try {
      const outcome = waitFor(thread, options);
      thread.postMessage({ spec, inputs: options.inputs });
      const done = await outcome;
      if ('error' in done) throw receivedError(done.error);
      const { tensors, times } = done.run;
      return { spec: spec.name, identity, tensors, times: { ...times, total: performance.now() - began } };
    } catch (error) {
      await end();
      throw error;
    } finally {
      thread.unref();
    }
  }

  return {
    name: 'reference',
    identify: async () => identity,
    run(spec, options = {}) {
      const turn = last.then(
        () => run(spec, options),
        () => run(spec, options),
      );
      last = turn.catch(() => {});
      return turn;
    },
    close: end,
  };
}
