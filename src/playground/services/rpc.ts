import { interruptedError, receivedError, type SentError, timeLimitError } from '../../backends/sent-error.ts';
import { Fp8labError } from '../../errors.ts';

/** What a worker can be asked: input, output and what it tells on the way, by the job's name. */
export type Jobs = Readonly<
  Record<string, { readonly input: unknown; readonly output: unknown; readonly progress?: unknown }>
>;

/** A question to a worker. */
export interface Call {
  readonly id: number;
  readonly job: string;
  readonly input: unknown;
}

/** What a worker answers. */
export type Reply =
  | { readonly id: number; readonly kind: 'progress'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: SentError };

/** How a call is made. */
export interface CallOptions<J extends Jobs, K extends keyof J> {
  /** Ends the call by ending the worker: a computation cannot be stopped from outside in another way. */
  readonly signal?: AbortSignal;
  /** Wall clock in milliseconds after which the worker is ended and the call fails with `time-limit`. */
  readonly timeout?: number;
  readonly onProgress?: (value: J[K]['progress']) => void;
}

interface Pending {
  readonly call: Call;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

function workerStopped(name: string, message: string): Fp8labError {
  return new Fp8labError(`${name} stopped: ${message || 'no reason given'}`, {
    kind: 'device',
    code: 'worker-stopped',
    where: name,
    fix: 'try again; a new worker is started',
  });
}

/** A worker that is started at the first call, ended where a call must be stopped, and started again at the next. */
export class WorkerClient<J extends Jobs> {
  readonly #name: string;
  readonly #start: () => Worker;
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #ids = 0;

  constructor(name: string, start: () => Worker) {
    this.#name = name;
    this.#start = start;
  }

  /** Asks for a job. Where it is called off, the worker it shares with others ends: theirs are asked of the next one, from the start. */
  call<K extends keyof J & string>(
    job: K,
    input: J[K]['input'],
    { signal, timeout, onProgress }: CallOptions<J, K> = {},
  ): Promise<J[K]['output']> {
    if (signal?.aborted) return Promise.reject(interruptedError(this.#name));
    const id = ++this.#ids;
    const worker = this.#open();
    const call: Call = { id, job, input };
    const answer = new Promise<unknown>((resolve, reject) => {
      const tell = onProgress as Pending['onProgress'];
      this.#pending.set(id, { call, signal, resolve, reject, onProgress: tell });
    });
    const onAbort = () => {
      if (this.#pending.has(id)) this.#leave();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.end(timeLimitError(this.#name, timeout)), timeout);
    worker.postMessage(call);
    return answer.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }) as Promise<J[K]['output']>;
  }

  /** Ends the worker with all calls under way. */
  end(error: Fp8labError = interruptedError(this.#name)): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const pending = this.#pending;
    this.#pending = new Map();
    for (const { reject } of pending.values()) reject(error);
  }

  /** Ends the worker and the calls that were called off, and asks the others again. */
  #leave(): void {
    const others = [...this.#pending].filter(([, { signal }]) => !signal?.aborted);
    for (const [id] of others) this.#pending.delete(id);
    this.end();
    this.#pending = new Map(others);
    if (others.length === 0) return;
    const worker = this.#open();
    for (const [, { call }] of others) worker.postMessage(call);
  }

  #open(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = this.#start();
    worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => this.#settle(data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.end(workerStopped(this.#name, event.message));
    });
    this.#worker = worker;
    return worker;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    if (reply.kind === 'progress') {
      pending.onProgress?.(reply.value);
      return;
    }
    this.#pending.delete(reply.id);
    if (reply.kind === 'done') pending.resolve(reply.value);
    else pending.reject(receivedError(reply.error));
  }
}
