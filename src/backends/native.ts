import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ErrorKind, exitCodes, Fp8labError } from '../errors.ts';
import { canonicalJson } from '../specs/canonical.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { readTensors, writeTensors } from '../tensors/files.ts';
import type { DType, Tensors } from '../tensors/tensor.ts';
import type { Backend, BackendIdentity, RunOptions, RunResult, RunTimes } from './backend.ts';
import { type Environment, findGpuDevices, isExecutable, packageRoot } from './machine.ts';
import { interruptedError, timeLimitError } from './sent-error.ts';
import { onProcessExit } from './webgpu/transport.ts';

/** The backends of the C++ and CUDA runner. */
export type NativeName = 'native:host' | 'native:cuda';

/** Kernels that the CUDA wing does not have; its runner refuses them with `no-cuda-kernel`. */
export const withoutCuda: readonly string[] = [
  'balance-loss',
  'bias-update',
  'load-statistics',
  'moe-layer',
  'moe-layer-backward',
];

/** How a native backend is made. */
export interface NativeOptions {
  readonly env?: Environment;
}

/** The command that builds the runner. */
export const nativeBuildCommand = 'node scripts/build-native.mjs';

/** Path of the runner: `FP8LAB_NATIVE`, or where {@link nativeBuildCommand} puts it. It need not be there. */
export function nativeBinary(env: Environment = process.env): string {
  if (env.FP8LAB_NATIVE) return env.FP8LAB_NATIVE;
  const file = process.platform === 'win32' ? 'fp8lab-native.exe' : 'fp8lab-native';
  return join(packageRoot(), 'build', 'native', file);
}

/** What this machine lacks for a native backend, or undefined. Looks at files only: starts nothing. */
export function whatNativeLacks(name: NativeName, options: NativeOptions = {}): Fp8labError | undefined {
  const binary = nativeBinary(options.env);
  if (!isExecutable(binary)) {
    const fix = options.env?.FP8LAB_NATIVE ? 'correct FP8LAB_NATIVE or unset it' : `run \`${nativeBuildCommand}\``;
    return environmentError(`the native runner is not there: ${binary}`, 'no-native-binary', name, fix);
  }
  if (name === 'native:host' || findGpuDevices().some((device) => /nvidia|dxg/.test(device))) return undefined;
  const fix = 'run it on a machine with an NVIDIA GPU of compute capability 9.0 (H100, H800, H200) and its driver';
  return environmentError('there is no CUDA device', 'no-cuda-device', name, fix);
}

function environmentError(message: string, code: string, where: string, fix: string): Fp8labError {
  return new Fp8labError(message, { kind: 'environment', code, where, fix });
}

/**
 * The C++ runner's host kernels, or its CUDA kernels. Each run is a process of its own: what ends one ends no other. A missing binary or
 * device is an error of the first use.
 */
export function createNativeBackend(name: NativeName, options: NativeOptions = {}): Backend {
  let identity: Promise<BackendIdentity> | undefined;
  const running = new Set<AbortController>();
  const call = async (args: readonly string[], patience: Pick<RunOptions, 'timeout' | 'signal'>, input = '') => {
    const lacks = whatNativeLacks(name, options);
    if (lacks !== undefined) throw lacks;
    const closing = new AbortController();
    running.add(closing);
    try {
      return await runBinary(name, nativeBinary(options.env), args, input, { ...patience, closing: closing.signal });
    } finally {
      running.delete(closing);
    }
  };
  const identify = (): Promise<BackendIdentity> => {
    identity ??= call(['info'], {}).then((info) => readIdentity(name, info));
    identity.catch(() => {
      identity = undefined;
    });
    return identity;
  };
  return {
    name,
    has: ({ kernel }) => name !== 'native:cuda' || !withoutCuda.includes(kernel),
    identify,
    run: async (spec, runOptions = {}) => {
      const started = performance.now();
      const who = await identify();
      const { tensors, times } = await runSpec(name, spec, runOptions, call);
      return { spec: spec.name, identity: who, tensors, times: { ...times, total: performance.now() - started } };
    },
    close: async () => {
      for (const closing of running) closing.abort();
    },
  };
}

type Call = (
  args: readonly string[],
  patience: Pick<RunOptions, 'timeout' | 'signal'>,
  input?: string,
) => Promise<unknown>;

/** One run: inputs and results travel as files in a folder of their own, the spec through standard input. */
async function runSpec(
  name: NativeName,
  spec: ResolvedSpec,
  { inputs = {}, timeout, signal }: RunOptions,
  call: Call,
): Promise<Pick<RunResult, 'tensors' | 'times'>> {
  const folder = await mkdtemp(join(tmpdir(), 'fp8lab-native-'));
  try {
    const out = join(folder, 'results.safetensors');
    const args = ['run', '-', '--device', name.slice('native:'.length), '--lanes', '--out', out];
    if (Object.keys(inputs).length > 0) {
      const file = join(folder, 'inputs.safetensors');
      const [lanes, metadata] = toLanes(inputs);
      await writeTensors(file, lanes, metadata);
      args.push('--inputs', file);
    }
    const said = (await call(args, { timeout, signal }, canonicalJson(spec))) as Said;
    return { tensors: fromLanes(await readTensors(out), said.tensors), times: said.times };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a run prints. */
interface Said {
  readonly times: RunTimes;
  readonly tensors: Readonly<Record<string, { readonly dtype: DType }>>;
}

/** Metadata key that names the dtypes of tensors whose codes travel unpacked: safetensors cannot hold F4 or F6 that do not fill whole bytes. */
const lanesKey = 'fp8lab.lanes';

const packedDTypes: Readonly<Partial<Record<DType, DType>>> = { F4: 'U8', F6_E2M3: 'U8', F6_E3M2: 'U8', E5M6: 'U16' };

function toLanes(tensors: Tensors): [Tensors, Record<string, string>] {
  const packed = Object.entries(tensors).filter(([, { dtype }]) => packedDTypes[dtype] !== undefined);
  if (packed.length === 0) return [tensors, {}];
  const lanes = packed.map(([name, tensor]) => [name, { ...tensor, dtype: packedDTypes[tensor.dtype]! }] as const);
  const dtypes = Object.fromEntries(packed.map(([name, { dtype }]) => [name, dtype]));
  return [{ ...tensors, ...Object.fromEntries(lanes) }, { [lanesKey]: JSON.stringify(dtypes) }];
}

function fromLanes(tensors: Tensors, said: Said['tensors']): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, dtype: said[name]?.dtype ?? tensor.dtype }]),
  );
}

interface Patience extends Pick<RunOptions, 'timeout' | 'signal'> {
  /** Aborts when the backend is closed. */
  readonly closing: AbortSignal;
}

/** Bytes of standard error that are kept: one JSON object, or the last words of a crash. */
const keptStderr = 1 << 16;

/** Starts the runner and gives the JSON it printed. */
async function runBinary(
  name: NativeName,
  binary: string,
  args: readonly string[],
  input: string,
  { timeout, signal, closing }: Patience,
): Promise<unknown> {
  if (signal?.aborted || closing.aborted) throw interruptedError(name);
  const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  const kill = () => child.kill('SIGKILL');
  const forget = onProcessExit(kill);
  let late = false;
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => {
          late = true;
          kill();
        }, timeout);
  signal?.addEventListener('abort', kill);
  closing.addEventListener('abort', kill);
  try {
    // A runner that refuses its arguments closes its input unread.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const { code, stdout, stderr } = await collect(name, child);
    if (late) throw timeLimitError(name, timeout!);
    if (signal?.aborted || closing.aborted) throw interruptedError(name);
    if (code !== 0) throw runnerError(name, code, stderr);
    return parseAnswer(name, stdout);
  } finally {
    clearTimeout(timer);
    forget();
    signal?.removeEventListener('abort', kill);
    closing.removeEventListener('abort', kill);
  }
}

interface Ended {
  /** Exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

function collect(name: NativeName, child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptStderr);
  });
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      const fix = `build it again: \`${nativeBuildCommand}\``;
      reject(
        environmentError(`the native runner could not be started: ${cause.message}`, 'no-native-binary', name, fix),
      );
    });
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 'unknown', stdout, stderr }));
  });
}

function parseAnswer(name: NativeName, stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    throw runnerError(name, 0, `it printed no JSON object: ${stdout.slice(0, 200)}`);
  }
}

/** What the runner said of its failure: one JSON object; anything else is a crash. */
function runnerError(name: NativeName, code: number | string, stderr: string): Fp8labError {
  const kind = Object.entries(exitCodes).find(([, value]) => value === code)?.[0];
  const told = parseError(stderr);
  if (kind !== undefined && kind !== 'ok' && told !== undefined) {
    const { message, ...parts } = told;
    return new Fp8labError(message, { kind: kind as ErrorKind, ...parts });
  }
  const words = stderr.trim().split('\n').slice(-4).join('\n');
  return new Fp8labError(`the native runner ended with ${code}${words === '' ? '' : `: ${words}`}`, {
    kind: 'device',
    code: 'runner-died',
    where: name,
    fix: 'the next spec starts a new one; report the spec with this message',
  });
}

function parseError(stderr: string): { message: string; code: string; where: string; fix: string } | undefined {
  try {
    const { message, code, where, fix } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
    return [message, code, where, fix].every((part) => typeof part === 'string')
      ? { message, code, where, fix }
      : undefined;
  } catch {
    return undefined;
  }
}

interface Described {
  readonly adapter: string;
  readonly details: Readonly<Record<string, string>>;
}

/** The identity from what `info` prints. */
function readIdentity(name: NativeName, info: unknown): BackendIdentity {
  const { version, host, cuda, cudaProblem } = info as {
    version: string;
    host: Described;
    cuda: Described | null;
    cudaProblem?: { code: string; message: string; where: string; fix: string };
  };
  const runtime = `fp8lab-native ${version}`;
  if (name === 'native:host') return { backend: name, runtime, software: true, ...host };
  if (cuda !== null) return { backend: name, runtime, software: false, ...cuda };
  const { message, code, where, fix } = cudaProblem!;
  throw environmentError(message, code, where, fix);
}
