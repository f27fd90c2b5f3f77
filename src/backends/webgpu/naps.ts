/** Milliseconds of a nap: far below what a batch of dispatches takes, far above what a turn of the event loop does. */
const nap = 0.25;

type Awaiting = (...args: never[]) => Promise<unknown>;

/**
 * Dawn's binding for Node asks for its events in every turn of the event loop, and so takes a whole core for as long as anything is awaited.
 * A nap in each of these turns leaves that core to whoever computes, which with a software adapter is the driver. `globals` are Dawn's.
 */
export function napWhileWaiting(globals: object): void {
  const classes = globals as Record<string, { prototype: Record<string, Awaiting> } | undefined>;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let waiting = 0;
  let turning = false;
  const turn = (): void => {
    turning = waiting > 0;
    if (!turning) return;
    Atomics.wait(cell, 0, 0, nap);
    setImmediate(turn);
  };
  const awaited = (promise: Promise<unknown>): Promise<unknown> => {
    waiting++;
    // What was awaited may be done and something else be awaited before the next turn: it naps once all the same.
    if (!turning) setImmediate(turn);
    turning = true;
    return promise.finally(() => waiting--);
  };
  for (const [name, method] of [
    ['GPUQueue', 'onSubmittedWorkDone'],
    ['GPUBuffer', 'mapAsync'],
    ['GPUDevice', 'createComputePipelineAsync'],
    ['GPUDevice', 'popErrorScope'],
  ] as const) {
    const prototype = classes[name]?.prototype;
    const original = prototype?.[method];
    if (prototype === undefined || original === undefined) continue;
    prototype[method] = function (this: unknown, ...args) {
      return awaited(original.apply(this, args));
    };
  }
}
