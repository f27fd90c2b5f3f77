import type { Port } from './ahead-thread.ts';

/** Name of the worker that makes ready: it runs the same file as the runner. */
const aheadName = 'ahead';

/** The little that is used of a worker's global. */
export interface WorkerScope {
  readonly name: string;
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** The worker's end, where this is the worker that makes ready. */
export function portInWorker(): Port | undefined {
  if (!('WorkerGlobalScope' in globalThis)) return undefined;
  const scope = globalThis as unknown as WorkerScope;
  if (scope.name !== aheadName) return undefined;
  return {
    send: (message, transfer) => scope.postMessage(message, transfer),
    onMessage(handler) {
      scope.onmessage = ({ data }) => handler(data);
    },
  };
}

/** The end of whoever starts that worker, as Deno and pages do. */
export function startAheadWorker(runner: string): Port {
  const worker = new Worker(runner, { type: 'module', name: aheadName });
  return {
    send: (message, transfer) => worker.postMessage(message, transfer),
    onMessage(handler) {
      worker.onmessage = ({ data }) => handler(data);
    },
    onFailure(handler) {
      worker.onerror = (event) => {
        // In Deno an error that nobody handled ends the parent too.
        event.preventDefault();
        handler();
      };
    },
  };
}

/** The little that is used of Node's module of threads. */
interface NodeThreads {
  readonly isMainThread: boolean;
  readonly parentPort: NodePort | null;
  readonly Worker: new (file: URL) => NodePort & { unref(): void };
}

interface NodePort {
  postMessage(message: unknown, transfer: Transferable[]): void;
  on(event: 'message' | 'error' | 'exit', handler: (value: unknown) => void): void;
}

/** Node as far as threads are concerned. */
export interface NodeWithThreads {
  getBuiltinModule(name: 'node:worker_threads'): NodeThreads;
}

/** {@link portInWorker} in Node. */
export function portInNodeThread(node: NodeWithThreads): Port | undefined {
  const { isMainThread, parentPort } = node.getBuiltinModule('node:worker_threads');
  return isMainThread || parentPort === null ? undefined : portOfNode(parentPort);
}

/** {@link startAheadWorker} in Node. */
export function startNodeThread(node: NodeWithThreads, runner: string): Port {
  const worker = new (node.getBuiltinModule('node:worker_threads').Worker)(new URL(runner));
  // An idle thread must not keep the runner alive.
  worker.unref();
  return {
    ...portOfNode(worker),
    onFailure(handler) {
      worker.on('error', handler);
      worker.on('exit', handler);
    },
  };
}

function portOfNode(port: NodePort): Port {
  return {
    send: (message, transfer) => port.postMessage(message, transfer),
    onMessage: (handler) => port.on('message', handler),
  };
}
