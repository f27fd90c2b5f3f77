import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AdapterChoice, BackendIdentity, BackendName } from '../backends/backend.ts';
import { type Finding, findMissing } from '../backends/findings.ts';
import { inspectMachine, type Machine, type Program } from '../backends/machine.ts';
import { availableBackends, createBackend } from '../backends/registry.ts';
import { createWebGpuBackend } from '../backends/webgpu/backend.ts';
import type { WebGpuName } from '../backends/webgpu/launches.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

/** Options of `fp8lab doctor`. */
export interface DoctorOptions {
  readonly adapter?: AdapterChoice;
  readonly json?: boolean;
}

/** A backend as doctor found it, by starting it. */
export interface BackendHealth {
  readonly name: BackendName;
  readonly works: boolean;
  readonly identity?: BackendIdentity;
  /** The environment or flags that gave the adapter. */
  readonly launch?: string;
  /** Milliseconds from nothing to a device. */
  readonly startup?: number;
  readonly error?: { readonly code: string; readonly message: string; readonly where: string; readonly fix: string };
}

/** A program with what it says of its version. */
export interface ToolVersion extends Program {
  readonly version: string;
}

/** What `--json` prints. */
export interface DoctorReport {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly versions: readonly ToolVersion[];
  readonly gpus: readonly string[];
  readonly backends: readonly BackendHealth[];
  readonly missing: readonly Finding[];
}

const run = promisify(execFile);

/** What a program prints for its arguments, trimmed; undefined where it fails or takes over 5 s. */
async function output(path: string, args: readonly string[], env: Io['env']): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, [...args], { timeout: 5000, env: { ...env } });
    return stdout.trim();
  } catch {
    return undefined;
  }
}

const versionLine = (text: string | undefined) =>
  text
    ?.split('\n')
    .find((line) => /\d+\.\d+/.test(line))
    ?.trim() ?? 'does not start';

async function versionsOf(machine: Machine, env: Io['env']): Promise<ToolVersion[]> {
  const programs = [...machine.browsers, ...(machine.deno === undefined ? [] : [machine.deno]), ...machine.tools];
  return Promise.all(
    programs.map(async (program) => {
      const text = await output(program.path, ['--version'], env);
      // nvcc tells its release in the fourth line.
      const line = text?.split('\n').find((candidate) => /release/.test(candidate)) ?? versionLine(text);
      return { ...program, version: line.trim() };
    }),
  );
}

/** NVIDIA's GPUs by name and driver; the others are known by their device nodes only. */
async function gpusOf(env: Io['env']): Promise<string[]> {
  const text = await output(
    'nvidia-smi',
    ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'],
    env,
  );
  return text === undefined || text === '' ? [] : text.split('\n').map((line) => line.trim());
}

async function checkWebGpu(name: WebGpuName, adapter: AdapterChoice, io: Io): Promise<BackendHealth> {
  const backend = createWebGpuBackend(name, { adapter, env: io.env });
  try {
    const { identity, launch, milliseconds } = await backend.start({ signal: io.signal });
    return { name, works: true, identity, launch, startup: Math.round(milliseconds) };
  } catch (error) {
    if (!(error instanceof Fp8labError) || error.kind === 'interrupted') throw error;
    return { name, works: false, error: error.toJSON() };
  } finally {
    await backend.close();
  }
}

/** The reference and the native runner say who they are; the latter by starting once. */
async function checkOther(name: BackendName, io: Io): Promise<BackendHealth> {
  const backend = createBackend(name, { env: io.env });
  try {
    return { name, works: true, identity: await backend.identify() };
  } catch (error) {
    if (!(error instanceof Fp8labError)) throw error;
    return { name, works: false, error: error.toJSON() };
  } finally {
    await backend.close();
  }
}

/** Starts each backend in turn: only a device that answers is proof of a driver that works. */
async function checkBackends(adapter: AdapterChoice, io: Io): Promise<BackendHealth[]> {
  const health: BackendHealth[] = [];
  for (const { name, missing } of availableBackends({ adapter, env: io.env })) {
    if (missing !== undefined) health.push({ name, works: false, error: missing.toJSON() });
    else if (name.startsWith('webgpu:')) health.push(await checkWebGpu(name as WebGpuName, adapter, io));
    else health.push(await checkOther(name, io));
  }
  return health;
}

/** Looks over the machine and starts every backend once. Throws only when interrupted. */
export async function doctorReport(options: DoctorOptions, io: Io): Promise<DoctorReport> {
  const machine = inspectMachine(io.env);
  const [versions, gpus] = await Promise.all([versionsOf(machine, io.env), gpusOf(io.env)]);
  const backends = await checkBackends(options.adapter ?? 'auto', io);
  return { schemaVersion: 1, machine, versions, gpus, backends, missing: findMissing(machine) };
}

function describeHealth({ name, works, identity, startup, error }: BackendHealth): string[] {
  if (!works) return ['no', name, error?.message.split('\n')[0] ?? ''];
  if (identity === undefined) return ['ok', name, ''];
  if (startup === undefined) return ['ok', name, [identity.runtime, identity.adapter].filter(Boolean).join(', ')];
  const software = identity.software ? ', software: this is a CPU, its times say nothing about GPUs' : '';
  return ['ok', name, `${identity.runtime}, ${identity.adapter}${software} (up in ${startup} ms)`];
}

const section = (title: string, text: string) => (text === '' ? '' : `\n${title}\n${text}`);

function describeMissing(finding: Finding): string {
  const weight = finding.needed ? 'missing' : 'optional';
  return `${weight}: ${finding.what}. ${finding.why}\n  ${finding.needsRoot ? 'as root: ' : ''}${finding.command}\n`;
}

/** The report as text. */
export function formatDoctor({ machine, versions, gpus, backends, missing }: DoctorReport): string {
  const drivers = machine.vulkan.map((driver) => [driver.software ? 'software' : 'hardware', driver.name, driver.icd]);
  const devices = [...gpus, ...machine.gpuDevices].map((device) => `${device}\n`).join('');
  const launches = backends.flatMap(({ name, launch }) => (launch === undefined ? [] : [[name, launch]]));
  const system = [
    ['Node', `${machine.node} on ${machine.platform} ${machine.arch}${machine.root ? ', as root' : ''}`],
    ...versions.map((tool) => [tool.name, `${tool.version} (${tool.path})`]),
    ['Dawn', machine.dawn ?? 'none'],
  ];
  return [
    `machine\n${table(system)}`,
    section('GPUs', devices || 'none found: WebGPU runs on the CPU\n'),
    section('Vulkan drivers', table(drivers)),
    section('backends', table(backends.map(describeHealth))),
    section('what gave the adapter', table(launches)),
    section('missing', missing.map(describeMissing).join('')),
  ].join('');
}

/** 0 where everything needed is there and works, else 3. */
export function doctorExitCode({ backends, missing }: DoctorReport): number {
  const broken = backends.some(({ name, works }) => name.startsWith('webgpu:') && !works);
  return broken || missing.some((finding) => finding.needed) ? exitCodes.environment : exitCodes.ok;
}

/** `fp8lab doctor`. */
export async function doctorCommand(options: DoctorOptions, io: Io): Promise<number> {
  io.stderr('starting each backend once ...\n');
  const report = await doctorReport(options, io);
  io.stdout(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatDoctor(report));
  return doctorExitCode(report);
}
