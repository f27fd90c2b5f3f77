import { aheadThread } from './ahead-thread.ts';
import { adapterOf, logToStderr } from './host-arguments.ts';
import { type Channel, type Jobs, serve } from './serve.ts';
import type { Host } from './session.ts';
import { startAheadWorker, type WorkerScope } from './worker-port.ts';

/** The little that is used of Deno's global. */
export interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly args: readonly string[];
  readonly stdin: { readonly readable: AsyncIterable<Uint8Array<ArrayBuffer>> };
  readonly stdout: { writeSync(bytes: Uint8Array): number };
  exit(code: number): never;
}

/** Messages as a stream, in order. The worker ends with its process, so the stream needs no end. */
async function* received(scope: WorkerScope): AsyncGenerator<Uint8Array> {
  const queue: Uint8Array[] = [];
  let wake: () => void = () => {};
  scope.onmessage = ({ data }) => {
    queue.push(data);
    wake();
  };
  for (;;) {
    const chunk = queue.shift();
    if (chunk !== undefined) yield chunk;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}

function writeAll(deno: DenoGlobal, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += deno.stdout.writeSync(bytes.subarray(at));
}

/** The thread that talks: it passes chunks on, and ends the process when its input ends. */
async function relay(deno: DenoGlobal, runner: string): Promise<void> {
  const worker = new Worker(runner, { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Uint8Array>) => writeAll(deno, data);
  worker.onerror = () => deno.exit(1);
  for await (const chunk of deno.stdin.readable) worker.postMessage(chunk, [chunk.buffer]);
  deno.exit(0);
}

async function serveInWorker(deno: DenoGlobal, scope: WorkerScope, runner: string, jobs: Jobs): Promise<void> {
  const host: Host = {
    runtime: `deno ${deno.version.deno} (wgpu)`,
    gpu: navigator.gpu,
    adapter: adapterOf(deno.args),
    // Deno's own promises of pipelines are settled before they are returned.
    ahead: { start: () => aheadThread(startAheadWorker(runner)), compiles: false },
  };
  const channel: Channel = {
    incoming: received(scope),
    write: (bytes) => scope.postMessage(bytes, [bytes.buffer]),
  };
  await serve(host, channel, jobs);
}

/**
 * Serves in Deno. Waiting for the GPU blocks a Deno thread, so the GPU gets a thread of its own: only then does the process see its
 * input end, and with it the parent that died. `runner` is the file both threads run.
 */
export async function serveInDeno(deno: DenoGlobal, runner: string, jobs: Jobs): Promise<void> {
  logToStderr();
  if (!('WorkerGlobalScope' in globalThis)) return relay(deno, runner);
  await serveInWorker(deno, globalThis as unknown as WorkerScope, runner, jobs);
}
