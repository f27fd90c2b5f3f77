import { Fp8labError } from '../../errors.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { AdapterChoice } from '../backend.ts';
import { describeError } from '../sent-error.ts';
import { type AdapterIdentity, requestDevice } from './adapter.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import { encodeFrame, FrameReader, type Message } from './protocol.ts';

/** Where a runner's frames come from and go to. */
export interface Channel {
  /** Chunks of the incoming stream; it ends when the other side is gone. */
  readonly incoming: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
}

/** What a runner knows of the runtime it is in. */
export interface Host {
  /** Runtime and version: `node 20.20.2 (dawn)`. */
  readonly runtime: string;
  /** Absent in a browser without WebGPU. */
  readonly gpu: GPU | undefined;
  readonly adapter: AdapterChoice;
}

/** A device that is requested at first use and again after it was lost. */
export interface Session {
  readonly host: Host;
  open(): Promise<{ gpu: OwnedGpu; adapter: AdapterIdentity }>;
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

function noWebGpu(runtime: string): Fp8labError {
  return new Fp8labError(`${runtime} has no WebGPU`, {
    kind: 'environment',
    code: 'no-webgpu',
    where: 'navigator.gpu',
    fix: 'use Chromium or Chrome 121 or later',
  });
}

/** Opens devices of a host: one at a time, a new one once the last was lost. */
export function createSession(host: Host): Session {
  let opened: Promise<{ gpu: OwnedGpu; adapter: AdapterIdentity }> | undefined;
  const request = async () => {
    if (host.gpu === undefined) throw noWebGpu(host.runtime);
    const { device, adapter } = await requestDevice(host.gpu, host.adapter);
    device.lost.then(() => {
      opened = undefined;
    });
    return { gpu: createGpu(device), adapter };
  };
  return {
    host,
    open() {
      opened ??= request();
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    },
  };
}

async function answer(session: Session, jobs: Jobs, request: Message): Promise<Message> {
  const { id, kind, params } = request.header;
  try {
    const job = typeof kind === 'string' && Object.hasOwn(jobs, kind) ? jobs[kind] : undefined;
    if (job === undefined) throw new Error(`this runner knows no request "${String(kind)}"`);
    const { value, tensors } = await job(session, params as never, request.tensors);
    return { header: { id, value }, tensors: tensors ?? {} };
  } catch (error) {
    return { header: { id, error: describeError(error) }, tensors: {} };
  }
}

/**
 * Answers requests, one after the other, until the stream ends. It returns at once then, whatever the GPU is doing: the caller ends the
 * process, so that no runner outlives its parent.
 */
export async function serve(host: Host, channel: Channel, jobs: Jobs): Promise<void> {
  const session = createSession(host);
  const reader = new FrameReader();
  let last: Promise<void> = Promise.resolve();
  for await (const chunk of channel.incoming) {
    for (const request of reader.push(chunk)) {
      last = last.then(async () => channel.write(encodeFrame(await answer(session, jobs, request))));
      // A write fails when the reader is gone; the incoming stream then ends, and this loop with it.
      last.catch(() => {});
    }
  }
}
