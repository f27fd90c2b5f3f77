import { Fp8labError } from '../../errors.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { interruptedError, receivedError, type SentError, timeLimitError } from '../sent-error.ts';
import { encodeFrame, FrameReader, type Message } from './protocol.ts';
import type { Transport } from './transport.ts';

/** When to stop waiting for an answer. */
export interface Patience {
  /** Milliseconds of wall clock. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** An answer of the runner. */
export interface Answer<T> {
  readonly value: T;
  readonly tensors: Tensors;
  /** Of wall clock, from the moment the runner had nothing else to do to the answer. */
  readonly milliseconds: number;
}

interface Waiting {
  /** The runner comes to this request now. */
  begin(): void;
  resolve(message: Message): void;
  reject(error: Fp8labError): void;
}

/** A runner that ended before it came to a request, for another's sake: whoever sent it may send it to the next runner. */
export class NotBegunError extends Fp8labError {
  constructor(who: string, cause: Fp8labError) {
    super(`the runner of ${who} ended before it came to this`, {
      kind: 'device',
      code: 'not-begun',
      where: who,
      fix: 'ask again: that starts a new runner',
      cause,
    });
  }
}

/** What `ask` gives; it is asked again, and so the next runner, where one ended before it came to it. Throws what else `ask` throws. */
export async function untilBegun<T>(who: string, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof NotBegunError)) throw error;
      if (signal?.aborted) throw interruptedError(who);
    }
  }
}

/** The runner's process is gone. */
function runnerDied(who: string, how: string): Fp8labError {
  return new Fp8labError(`the runner of ${who} ${how}`, {
    kind: 'device',
    code: 'runner-died',
    where: who,
    fix: 'the next spec starts a new one; if this one ends it each time, run it alone or on another adapter',
  });
}

/**
 * Requests and answers over a transport. Requests may be sent while earlier ones are at work: the runner answers them in order, and need not
 * wait for the next. Once `dead`, it stays so: start another runner.
 */
export class RunnerLink {
  /** In the order they were sent: the first is at work. */
  private readonly waiting = new Map<number, Waiting>();
  private readonly reader = new FrameReader();
  private nextId = 1;
  private death: Fp8labError | undefined;

  constructor(
    private readonly who: string,
    readonly transport: Transport,
  ) {
    transport.onChunk((chunk) => this.receive(chunk));
    transport.closed.then((how) => this.die(runnerDied(who, how)));
  }

  /** True once the runner is gone or no longer to be trusted. */
  get dead(): boolean {
    return this.death !== undefined;
  }

  /**
   * Asks the runner to do `kind`. `patience` counts from when the runner comes to it. A runner that runs out of time or is interrupted is killed, for
   * a GPU's loop without end cannot be stopped in any other way; so is one whose device failed. Throws Fp8labError; NotBegunError where the runner
   * ended for the sake of an earlier request.
   */
  async request<T>(kind: string, params: unknown, tensors: Tensors = {}, patience: Patience = {}): Promise<Answer<T>> {
    if (this.death !== undefined) throw this.death;
    if (patience.signal?.aborted) throw interruptedError(this.who);
    const id = this.nextId++;
    const frame = encodeFrame({ header: { id, kind, params }, tensors });
    let began = 0;
    let stopWaiting = () => {};
    const begin = () => {
      began = performance.now();
      stopWaiting = this.watch(patience);
    };
    const answered = new Promise<Message>((resolve, reject) => this.waiting.set(id, { begin, resolve, reject }));
    if (this.waiting.size === 1) begin();
    try {
      this.transport.send(frame);
      const { header, tensors: results } = await answered;
      return { value: header.value as T, tensors: results, milliseconds: performance.now() - began };
    } finally {
      stopWaiting();
      this.waiting.delete(id);
    }
  }

  /** Ends the runner. */
  async close(): Promise<void> {
    const closed = runnerDied(this.who, 'was closed');
    this.die(closed, closed);
    await this.transport.kill();
  }

  private watch({ timeout, signal }: Patience): () => void {
    const abort = () => this.giveUp(interruptedError(this.who));
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.giveUp(timeLimitError(this.who, timeout)), timeout);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  }

  /** Kills first and tells afterwards, so that whoever reads the error may count on the process being gone. */
  private async giveUp(error: Fp8labError): Promise<void> {
    this.death ??= error;
    await this.transport.kill();
    this.die(error);
  }

  /** Fails what is at work with `error`, and what waits behind it with `behind`. */
  private die(error: Fp8labError, behind: Fp8labError = new NotBegunError(this.who, error)): void {
    this.death ??= error;
    const [first, ...others] = this.waiting.values();
    this.waiting.clear();
    first?.reject(this.death);
    for (const { reject } of others) reject(behind);
  }

  private receive(chunk: Uint8Array): void {
    if (this.dead) return;
    try {
      for (const message of this.reader.push(chunk)) this.settle(message);
    } catch (error) {
      void this.giveUp(error as Fp8labError);
    }
  }

  private settle(message: Message): void {
    const { id, error: sent } = message.header;
    const asked = this.waiting.get(id as number);
    if (asked === undefined) return;
    const error = sent === undefined ? undefined : receivedError(sent as SentError);
    // A device that failed once answers no further spec: the runner goes with it.
    if (error?.kind === 'device') {
      void this.giveUp(error);
      return;
    }
    this.waiting.delete(id as number);
    if (error === undefined) asked.resolve(message);
    else asked.reject(error);
    this.waiting.values().next().value?.begin();
  }
}
