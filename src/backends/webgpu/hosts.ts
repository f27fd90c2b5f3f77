import { aheadThread, serveAhead } from './ahead-thread.ts';
import { type DenoGlobal, serveInDeno } from './deno-host.ts';
import { adapterOf, argument, logToStderr } from './host-arguments.ts';
import { napWhileWaiting } from './naps.ts';
import { type Channel, type Jobs, serve } from './serve.ts';
import type { Host } from './session.ts';
import {
  type NodeWithThreads,
  portInNodeThread,
  portInWorker,
  startAheadWorker,
  startNodeThread,
} from './worker-port.ts';

/** The little that is used of Node's global. */
interface NodeGlobal extends NodeWithThreads {
  readonly versions: { readonly node: string };
  readonly argv: readonly string[];
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: { write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean };
  readonly pid: number;
  kill(pid: number, signal: string): void;
}

const globals = globalThis as unknown as { Deno?: DenoGlobal; process?: NodeGlobal };

/** Dawn's JavaScript binding; its address comes from the parent, so that this file imports nothing. */
interface DawnModule {
  create(flags: readonly string[]): GPU;
  readonly globals: object;
}

async function serveInNode(node: NodeGlobal, jobs: Jobs): Promise<void> {
  logToStderr();
  const dawn = (await import(/* @vite-ignore */ argument(node.argv, 'dawn')!)) as DawnModule;
  Object.assign(globalThis, dawn.globals);
  napWhileWaiting(dawn.globals);
  const version = argument(node.argv, 'dawn-version');
  const runtime = `node ${node.versions.node} (dawn${version ? `, webgpu ${version}` : ''})`;
  const host: Host = {
    runtime,
    gpu: dawn.create([]),
    adapter: adapterOf(node.argv),
    ahead: { start: () => aheadThread(startNodeThread(node, import.meta.url)), compiles: true },
  };
  const channel: Channel = {
    incoming: node.stdin,
    write: (bytes) =>
      new Promise((done, fail) => {
        node.stdout.write(bytes, (error) => (error ? fail(error) : done()));
      }),
  };
  await serve(host, channel, jobs);
  // Dawn's destructors wait for the GPU, which may be in a loop without end; there is nothing left to save.
  node.kill(node.pid, 'SIGKILL');
}

/** Chunks that the server hands out; 204 means "none yet, ask again". Ends when the server is gone. */
async function* poll(address: string): AsyncGenerator<Uint8Array> {
  for (;;) {
    const response = await fetch(address).catch(() => undefined);
    if (response === undefined || !response.ok) return;
    if (response.status === 200) yield new Uint8Array(await response.arrayBuffer());
  }
}

async function browserVersion(): Promise<string> {
  const { userAgentData } = navigator as unknown as {
    userAgentData?: {
      getHighEntropyValues(hints: string[]): Promise<{ fullVersionList?: { brand: string; version: string }[] }>;
    };
  };
  const list = (await userAgentData?.getHighEntropyValues(['fullVersionList']))?.fullVersionList ?? [];
  const known = list.find(({ brand }) => /chrom/i.test(brand));
  return known === undefined ? navigator.userAgent : `${known.brand.replace('Headless', '')}/${known.version}`;
}

async function serveInPage(jobs: Jobs): Promise<void> {
  const args = location.search.slice(1).split('&');
  const host: Host = {
    runtime: await browserVersion(),
    gpu: navigator.gpu,
    adapter: adapterOf(args),
    ahead: { start: () => aheadThread(startAheadWorker(import.meta.url)), compiles: true },
  };
  const channel: Channel = {
    incoming: poll('next'),
    write: async (body) => {
      await fetch('reply', { method: 'POST', body });
    },
  };
  await serve(host, channel, jobs);
}

/** Serves in whichever runtime this is; in the thread that a runner starts to make ready, that runner. */
export async function serveHere(jobs: Jobs): Promise<void> {
  const node = globals.Deno === undefined ? globals.process : undefined;
  const runner = portInWorker() ?? (node && portInNodeThread(node));
  if (runner !== undefined) return serveAhead(runner);
  if (globals.Deno !== undefined) return serveInDeno(globals.Deno, import.meta.url, jobs);
  if (typeof document !== 'undefined') return serveInPage(jobs);
  return serveInNode(node!, jobs);
}
