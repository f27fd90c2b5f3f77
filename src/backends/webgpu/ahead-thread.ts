import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { buffersOf, type Tensors } from '../../tensors/tensor.ts';
import { type DeviceTraits, dryRun } from './dry-run.ts';
import type { Dispatch } from './gpu.ts';

/** A spec to make ready for. */
export interface PrepareRequest {
  readonly spec: ResolvedSpec;
  readonly tier: Tier;
  /** The device that it will run on; without it, inputs are made and nothing else. */
  readonly device?: DeviceTraits;
}

/** What a run needs. */
export interface Prepared {
  readonly inputs: Tensors;
  /** One for each pipeline that no earlier request named; their buffers have lengths and no content. */
  readonly dispatches: readonly Dispatch[];
}

/** Messages to and from a thread, in order. */
export interface Port {
  send(message: unknown, transfer: Transferable[]): void;
  /** Hears of every message. Set once. */
  onMessage(handler: (message: unknown) => void): void;
  /** Hears that the other side is gone. */
  onFailure?(handler: () => void): void;
}

interface Answer {
  readonly prepared?: Prepared;
}

/** A thread that makes ready, one spec after the other. */
export interface AheadThread {
  /** Undefined where it could not; never rejects. */
  prepare(request: PrepareRequest): Promise<Prepared | undefined>;
}

/** Makes ready for specs, and remembers which pipelines it named. */
export class Preparer {
  readonly #named = new Set<string>();

  /** Throws where inputs cannot be made. */
  async prepare({ spec, tier, device }: PrepareRequest): Promise<Prepared> {
    const inputs = materializeInputs(kernelOf(spec).inputs(spec as never));
    const dispatches: Dispatch[] = [];
    const note = (dispatch: Dispatch): void => {
      const key = pipelineKey(dispatch);
      if (this.#named.has(key)) return;
      this.#named.add(key);
      dispatches.push(dispatch);
    };
    // A kernel may refuse the zeros that it reads: what it dispatched until then is worth compiling.
    if (device !== undefined) await dryRun(spec, inputs, tier, device, note).catch(() => undefined);
    return { inputs, dispatches };
  }
}

/** A dispatch without what differs from one run of its pipeline to the next. */
function pipelineKey(dispatch: Dispatch): string {
  const atRunTime = new Set(['uniforms', 'threads', 'words', 'width', 'height']);
  return JSON.stringify(dispatch, (name, value) => (atRunTime.has(name) ? undefined : value));
}

/** Answers requests, in a thread of its own. */
export function serveAhead(port: Port): void {
  const preparer = new Preparer();
  let last: Promise<void> = Promise.resolve();
  const answer = async (request: PrepareRequest): Promise<void> => {
    try {
      const prepared = await preparer.prepare(request);
      port.send({ prepared } satisfies Answer, buffersOf(prepared.inputs));
    } catch {
      port.send({} satisfies Answer, []);
    }
  };
  port.onMessage((request) => {
    last = last.then(() => answer(request as PrepareRequest));
  });
}

/** The thread at the other end of a port. Answers come in the order of the requests. */
export function aheadThread(port: Port): AheadThread {
  const waiting: ((prepared: Prepared | undefined) => void)[] = [];
  let gone = false;
  port.onMessage((answer) => waiting.shift()?.((answer as Answer).prepared));
  port.onFailure?.(() => {
    gone = true;
    for (const settle of waiting.splice(0)) settle(undefined);
  });
  return {
    prepare: (request) =>
      new Promise((resolve) => {
        if (gone) return resolve(undefined);
        waiting.push(resolve);
        port.send(request, []);
      }),
  };
}
