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
}

interface Waiting {
  resolve(message: Message): void;
  reject(error: Fp8labError): void;
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

/** Requests and answers over a transport. Once `dead`, it stays so: start another runner. */
export class RunnerLink {
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
   * Asks the runner to do `kind`. A runner that runs out of time or is interrupted is killed, for a GPU's loop without end cannot be
   * stopped in any other way; so is one whose device failed. Throws Fp8labError.
   */
  async request<T>(kind: string, params: unknown, tensors: Tensors = {}, patience: Patience = {}): Promise<Answer<T>> {
    if (this.death !== undefined) throw this.death;
    if (patience.signal?.aborted) throw interruptedError(this.who);
    const id = this.nextId++;
    const answered = new Promise<Message>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    const stopWaiting = this.watch(patience);
    try {
      this.transport.send(encodeFrame({ header: { id, kind, params }, tensors }));
      const { header, tensors: results } = await answered;
      if (header.error !== undefined) throw await this.failed(receivedError(header.error as SentError));
      return { value: header.value as T, tensors: results };
    } finally {
      stopWaiting();
      this.waiting.delete(id);
    }
  }

  /** Ends the runner. */
  async close(): Promise<void> {
    this.die(runnerDied(this.who, 'was closed'));
    await this.transport.kill();
  }

  /** A device that failed once answers no further spec: the runner goes with it. */
  private async failed(error: Fp8labError): Promise<Fp8labError> {
    if (error.kind !== 'device') return error;
    this.die(error);
    await this.transport.kill();
    return error;
  }

  private watch({ timeout, signal }: Patience): () => void {
    const abort = () => this.giveUp(interruptedError(this.who));
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.giveUp(timeLimitError(this.who, timeout)), timeout);
    signal?.addEventListener('abort', abort);
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

  private die(error: Fp8labError): void {
    this.death ??= error;
    for (const { reject } of this.waiting.values()) reject(this.death);
    this.waiting.clear();
  }

  private receive(chunk: Uint8Array): void {
    if (this.dead) return;
    try {
      for (const message of this.reader.push(chunk)) this.waiting.get(message.header.id as number)?.resolve(message);
    } catch (error) {
      void this.giveUp(error as Fp8labError);
    }
  }
}
