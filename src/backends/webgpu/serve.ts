import type { Tensors } from '../../tensors/tensor.ts';
import { describeError } from '../sent-error.ts';
import { encodeFrame, FrameReader, type Message } from './protocol.ts';
import { createSession, type Host, type Session } from './session.ts';

/** Where a runner's frames come from and go to. */
export interface Channel {
  /** Chunks of the incoming stream; it ends when the other side is gone. */
  readonly incoming: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
}

/** The answer to a request: a JSON value, and tensors. */
export interface Reply {
  readonly value?: unknown;
  readonly tensors?: Tensors;
}

/** Something a runner can be asked to do, by its name. */
export type Job = (session: Session, params: never, tensors: Tensors) => Promise<Reply>;

/** Jobs by the name that a request says. */
export type Jobs = Readonly<Record<string, Job>>;

/** The answer as a frame; what cannot be put into one is told as an error, too. */
async function answer(session: Session, jobs: Jobs, request: Message): Promise<Uint8Array<ArrayBuffer>> {
  const { id, kind, params } = request.header;
  try {
    const job = typeof kind === 'string' && Object.hasOwn(jobs, kind) ? jobs[kind] : undefined;
    if (job === undefined) throw new Error(`this runner knows no request "${String(kind)}"`);
    const { value, tensors } = await job(session, params as never, request.tensors);
    return encodeFrame({ header: { id, value }, tensors: tensors ?? {} });
  } catch (error) {
    return encodeFrame({ header: { id, error: describeError(error) }, tensors: {} });
  }
}

/**
 * Answers requests, one after the other, until the stream ends; the next one's work begins while an answer is on its way. It returns at once then, whatever the GPU is doing: the caller ends the
 * process, so that no runner outlives its parent.
 */
export async function serve(host: Host, channel: Channel, jobs: Jobs): Promise<void> {
  const session = createSession(host);
  const reader = new FrameReader();
  let worked: Promise<unknown> = Promise.resolve();
  let written: Promise<void> = Promise.resolve();
  for await (const chunk of channel.incoming) {
    for (const request of reader.push(chunk)) {
      const frame = worked.then(() => answer(session, jobs, request));
      worked = frame;
      // A write fails when the reader is gone; the incoming stream then ends, and this loop with it.
      written = written.then(async () => channel.write(await frame)).catch(() => {});
    }
  }
}
