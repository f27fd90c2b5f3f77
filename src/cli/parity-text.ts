import type { BackendName } from '../backends/backend.ts';
import type { Tier } from '../kernels/kernel.ts';
import { describeTensor } from '../parity/compare.ts';
import type { ParityEntry, ParityRun } from '../parity/suite.ts';
import type { EvidenceOutcome } from './evidence.ts';
import { type Io, paint } from './io.ts';
import { table } from './table.ts';

const counted = new Intl.NumberFormat('en-US');

/** A row a spec, a column a backend: how many elements were compared, how many bits-differing elements there are. */
export function parityTable(run: ParityRun, io: Io): string {
  const backends = run.identities.map(({ backend }) => backend).filter((name) => name !== 'reference');
  const columns = [...new Set([...backends, ...run.entries.map(({ backend }) => backend)])].filter(
    (name) => name !== 'reference',
  );
  const cells = new Map(run.entries.map((entry) => [`${entry.spec} ${entry.backend}`, entry]));
  const rows = run.specs.map(({ label }) => {
    const reference = cells.get(`${label} reference`);
    const elements = reference?.error ? reference.error.code : counted.format(reference?.elements ?? 0);
    return [label, elements, ...columns.map((name) => cellText(cells.get(`${label} ${name}`), io))];
  });
  return table([['spec', 'elements', ...columns], ...rows]);
}

function cellText(entry: ParityEntry | undefined, io: Io): string {
  if (entry === undefined) return '-';
  if (entry.error !== undefined) return paint(io, 'red', entry.error.code);
  if (entry.mismatches === 0) return paint(io, 'green', '0 differ');
  const text = `${counted.format(entry.mismatches)} differ`;
  return entry.tier === 'fast' ? paint(io, 'yellow', `${text}${distance(entry)}`) : paint(io, 'red', text);
}

/** How far the fast tier lies from the reference: the largest distance in units in the last place. */
function distance({ comparison }: ParityEntry): string {
  const ulps = (comparison?.tensors ?? []).flatMap(({ metrics }) => metrics?.maxUlps ?? []);
  return ulps.length === 0 ? '' : `, ${counted.format(Math.max(...ulps))} ULP`;
}

/** What differs and what failed, a line each, the first twenty. */
export function failureLines(run: ParityRun): string[] {
  const differing = run.entries.flatMap(({ spec, backend, tier, comparison }) =>
    (comparison?.tensors ?? [])
      .filter(({ status }) => status !== 'equal' && !(tier === 'fast' && status === 'differs'))
      .map((tensor) => `${spec} on ${backend}: ${describeTensor(tensor)}`),
  );
  const failed = run.entries
    .filter(({ error }) => error !== undefined)
    .map(({ spec, backend, error }) => `${spec} on ${backend}: ${error!.code}: ${error!.message} (${error!.fix})`);
  return [...differing, ...failed].slice(0, 20);
}

/** The whole run in a line. */
export function verdict(
  run: ParityRun,
  tier: Tier,
  seconds: number,
  evidence: readonly EvidenceOutcome[],
  io: Io,
): string {
  const compared = run.entries.filter(({ backend, error }) => backend !== 'reference' && !error);
  const differing = compared.filter(({ mismatches }) => mismatches > 0).length;
  const failed = run.entries.filter(({ error }) => error !== undefined).length;
  const elements = compared.reduce((sum, entry) => sum + entry.elements, 0);
  const parts = [
    `${compared.length} comparisons, ${counted.format(elements)} elements`,
    ...(compared.length > 0 ? [differing === 0 ? 'every bit equal' : `${differing} comparisons differ`] : []),
    ...(failed > 0 ? [`${failed} runs failed`] : []),
    ...(evidence.length > 0
      ? [`${evidence.filter(({ equal }) => equal).length} of ${evidence.length} equal to the evidence`]
      : []),
    `${seconds.toFixed(1)} s`,
  ];
  const good = failed === 0 && (differing === 0 || tier === 'fast') && evidence.every(({ equal }) => equal);
  return paint(io, good ? 'green' : 'red', parts.join(', '));
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/**
 * Where a backend's time went: kernels with their transfers, waiting for shaders to be compiled, waiting for inputs to be made, and what is left:
 * frames and processes. What is made ready while kernels run is theirs.
 */
export function timesText(run: ParityRun, backend: BackendName): string {
  const times = run.entries.flatMap((entry) => (entry.backend === backend && entry.times ? [entry.times] : []));
  const sum = (of: (time: (typeof times)[number]) => number): number =>
    times.reduce((total, time) => total + of(time), 0);
  const total = sum((time) => time.total);
  if (total === 0) return '';
  const compile = sum((time) => time.compile ?? 0);
  const parts = [
    `kernels ${percent((sum(({ kernel }) => kernel) - compile) / total)}`,
    ...(compile > 0 ? [`waiting for shaders ${percent(compile / total)}`] : []),
    `waiting for inputs ${percent(sum(({ inputs }) => inputs) / total)}`,
  ];
  return `${(total / 1000).toFixed(1)} s: ${parts.join(', ')}`;
}
