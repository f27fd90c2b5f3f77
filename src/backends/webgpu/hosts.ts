import type { AdapterChoice } from '../backend.ts';
import { type Channel, type Jobs, serve } from './serve.ts';
import type { Host } from './session.ts';

/** The little that is used of Deno's global. */
interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly args: readonly string[];
  readonly stdin: { readonly readable: ReadableStream<Uint8Array> };
  readonly stdout: { writeSync(bytes: Uint8Array): number };
  exit(code: number): never;
}

/** The little that is used of Node's global. */
interface NodeGlobal {
  readonly versions: { readonly node: string };
  readonly argv: readonly string[];
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: { write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean };
  readonly pid: number;
  kill(pid: number, signal: string): void;
}

const globals = globalThis as unknown as { Deno?: DenoGlobal; process?: NodeGlobal };

/** The value of `--name=value` among the arguments. */
function argument(args: readonly string[], name: string): string | undefined {
  return args.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3);
}

const adapterOf = (args: readonly string[]) => (argument(args, 'adapter') ?? 'auto') as AdapterChoice;

/** Standard output carries frames: whatever a library logs must not get in between. */
function logToStderr(): void {
  // biome-ignore lint/suspicious/noConsole: this is what keeps the library's own promise not to print.
  console.log = console.info = console.debug = console.warn = console.error;
}

async function serveInDeno(deno: DenoGlobal, jobs: Jobs): Promise<void> {
  logToStderr();
  const host: Host = { runtime: `deno ${deno.version.deno} (wgpu)`, gpu: navigator.gpu, adapter: adapterOf(deno.args) };
  const channel: Channel = {
    incoming: deno.stdin.readable as unknown as AsyncIterable<Uint8Array>,
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += deno.stdout.writeSync(bytes.subarray(at));
    },
  };
  await serve(host, channel, jobs);
  deno.exit(0);
}

/** Dawn's JavaScript binding; its address comes from the parent, so that this file imports nothing. */
interface DawnModule {
  create(flags: readonly string[]): GPU;
  readonly globals: object;
}

async function serveInNode(node: NodeGlobal, jobs: Jobs): Promise<void> {
  logToStderr();
  const dawn = (await import(/* @vite-ignore */ argument(node.argv, 'dawn')!)) as DawnModule;
  Object.assign(globalThis, dawn.globals);
  const version = argument(node.argv, 'dawn-version');
  const runtime = `node ${node.versions.node} (dawn${version ? `, webgpu ${version}` : ''})`;
  const host: Host = { runtime, gpu: dawn.create([]), adapter: adapterOf(node.argv) };
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
  const host: Host = { runtime: await browserVersion(), gpu: navigator.gpu, adapter: adapterOf(args) };
  const channel: Channel = {
    incoming: poll('next'),
    write: async (body) => {
      await fetch('reply', { method: 'POST', body });
    },
  };
  await serve(host, channel, jobs);
}

/** Serves in whichever runtime this is. */
export async function serveHere(jobs: Jobs): Promise<void> {
  if (globals.Deno !== undefined) return serveInDeno(globals.Deno, jobs);
  if (typeof document !== 'undefined') return serveInPage(jobs);
  return serveInNode(globals.process!, jobs);
}
