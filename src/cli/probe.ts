import type { AdapterChoice, BackendIdentity } from '../backends/backend.ts';
import { createWebGpuBackend } from '../backends/webgpu/backend.ts';
import type { WebGpuName } from '../backends/webgpu/launches.ts';
import type { ProbeCard, ProbeLine } from '../backends/webgpu/probe.ts';
import { exitCodes } from '../errors.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

/** Options of `fp8lab probe`. */
export interface ProbeOptions {
  readonly backend?: WebGpuName;
  readonly adapter?: AdapterChoice;
  /** Samples of each function; the other operations take at most 2^16. */
  readonly samples?: number;
  readonly json?: boolean;
  /** Only lines that differ from IEEE 754 or integer arithmetic. */
  readonly onlyDeviations?: boolean;
}

/** The adapter numerics card, as `--json` prints it. */
export interface ProbeReport extends ProbeCard {
  readonly schemaVersion: 1;
  readonly identity: BackendIdentity;
}

const defaultSamples = 2 ** 20;
/** Milliseconds: a software adapter needs about 20 s for 2^20 samples on two cores. */
const limit = 600_000;

/** Asks an adapter what its arithmetic does. Throws Fp8labError. */
export async function probeReport(options: ProbeOptions, env: Io['env'], signal: AbortSignal): Promise<ProbeReport> {
  const backend = createWebGpuBackend(options.backend ?? 'webgpu:node', { adapter: options.adapter ?? 'auto', env });
  try {
    const { identity } = await backend.start({ signal });
    const params = { samples: options.samples ?? defaultSamples };
    const { value } = await backend.request<ProbeCard>('probe', params, {}, { timeout: limit, signal });
    return { schemaVersion: 1, identity, ...value };
  } finally {
    await backend.close();
  }
}

function groupTable(lines: readonly ProbeLine[]): string {
  return table(lines.map((line) => [line.ideal ? '' : '*', line.operation, line.verdict]));
}

/** The card as text: a table a group, a star before what is not IEEE 754 or integer arithmetic. */
export function formatProbe({ identity, lines, samples }: ProbeReport, onlyDeviations = false): string {
  const shown = onlyDeviations ? lines.filter((line) => !line.ideal) : lines;
  const groups = [...new Set(shown.map((line) => line.group))];
  const head = [
    `adapter numerics card: ${identity.adapter}${identity.software ? ' (software: this is a CPU)' : ''}`,
    `${identity.runtime}; ${samples} samples of each function; * differs from IEEE 754 or integer arithmetic`,
  ];
  const tables = groups.map((group) => `\n${group}\n${groupTable(shown.filter((line) => line.group === group))}`);
  const ideal = lines.filter((line) => line.ideal).length;
  return `${head.join('\n')}\n${tables.join('')}\n${ideal} of ${lines.length} operations as IEEE 754 and integer arithmetic say\n`;
}

/** `fp8lab probe`: the adapter numerics card. Deviations are facts, not failures: the exit code is 0. */
export async function probeCommand(options: ProbeOptions, io: Io): Promise<number> {
  io.stderr(`probing ${options.backend ?? 'webgpu:node'} ...\n`);
  const report = await probeReport(options, io.env, io.signal);
  io.stdout(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatProbe(report, options.onlyDeviations));
  return exitCodes.ok;
}
