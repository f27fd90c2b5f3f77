import type { ResolvedSpec } from '../specs/types.ts';
import type { Backend, RunOptions, RunResult, RunTimes } from './backend.ts';
import { createNativeBackend, type NativeName, type NativeOptions, nativeBinary, whatNativeLacks } from './native.ts';
import { spawnTransport } from './webgpu/process.ts';
import { RunnerLink, untilBegun } from './webgpu/runner-link.ts';

/** How a native server is made. */
export interface NativeServerOptions extends NativeOptions {
  /** Host threads; default all cores. */
  readonly threads?: number;
}

/**
 * A native backend that keeps one runner (`fp8lab-native serve`) for all its runs: tensors travel through its standard streams, no process
 * is started and no file is written for a run. For many small specs; a crash ends the runner for all of them, and the next run starts
 * another. Several runs may be asked for at once: they are answered in order.
 */
export function createNativeServer(name: NativeName, options: NativeServerOptions = {}): Backend {
  const oneShot = createNativeBackend(name, options);
  const threads = options.threads === undefined ? [] : ['--threads', String(options.threads)];
  const args = ['serve', '--device', name.slice('native:'.length), ...threads];
  let link: RunnerLink | undefined;
  let identity: ReturnType<Backend['identify']> | undefined;

  function running(): RunnerLink {
    const lacks = whatNativeLacks(name, options);
    if (lacks !== undefined) throw lacks;
    if (link === undefined || link.dead) {
      link = new RunnerLink(name, spawnTransport({ command: nativeBinary(options.env), args, env: {} }));
    }
    return link;
  }

  const identify = () => {
    identity ??= oneShot.identify();
    identity.catch(() => {
      identity = undefined;
    });
    return identity;
  };

  return {
    name,
    queues: true,
    has: oneShot.has,
    identify,
    async run(spec: ResolvedSpec, { inputs, timeout, signal }: RunOptions = {}): Promise<RunResult> {
      const who = await identify();
      const { value, tensors, milliseconds } = await untilBegun(name, signal, async () =>
        running().request<Omit<RunTimes, 'total'>>('run', { spec }, inputs ?? {}, { timeout, signal }),
      );
      return { spec: spec.name, identity: who, tensors, times: { total: milliseconds, ...value } };
    },
    async close() {
      const closing = link;
      link = undefined;
      await Promise.all([closing?.close(), oneShot.close()]);
    },
  };
}
