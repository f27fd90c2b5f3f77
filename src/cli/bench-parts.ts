import type { AdapterChoice, BackendIdentity } from '../backends/backend.ts';
import { availableBackends, createBackend } from '../backends/registry.ts';
import { Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import { compareResults } from '../parity/compare.ts';
import type { LoadedSpec } from '../specs/load.ts';
import type { Tensors } from '../tensors/tensor.ts';
import type { Io } from './io.ts';

/** Options of `fp8lab bench`. */
export interface BenchCommandOptions {
  readonly backends?: string;
  readonly adapter?: AdapterChoice;
  readonly tier?: Tier;
  readonly samples?: number;
  readonly batch?: number;
  readonly variant?: string;
  /** Times variants against each other. */
  readonly everyVariant?: boolean;
  readonly against?: string;
  /** Extents to vary: `m,n,k=128..1024`. */
  readonly sweep?: readonly string[];
  /** Folder for CSV and charts. */
  readonly out?: string;
  readonly json?: boolean;
}

/** Milliseconds a spec may take, all its repetitions together. */
export const limit = 900_000;

/** Decibels below which a fast result is taken for wrong: single precision keeps far more. */
const leastSqnr = 40;

/** What the results must be: from the native path where it is built, for it is fast and has the reference's bits. */
export async function expectedResults(specs: readonly LoadedSpec[], io: Io): Promise<Map<string, Tensors>> {
  const name = availableBackends({ env: io.env }).some((it) => it.name === 'native:host' && it.missing === undefined)
    ? 'native:host'
    : 'reference';
  const backend = createBackend(name, { env: io.env });
  try {
    const results = new Map<string, Tensors>();
    for (const { label, spec } of specs) {
      results.set(label, (await backend.run(spec, { timeout: limit, signal: io.signal })).tensors);
    }
    return results;
  } finally {
    await backend.close();
  }
}

/** Refuses to time what is wrong. */
export function verify(spec: LoadedSpec, tier: Tier, backend: string, expected: Tensors, actual: Tensors): void {
  const comparison = compareResults(spec.spec, expected, actual);
  if (comparison.equal) return;
  const sqnr = Math.min(
    ...comparison.tensors.map(({ metrics, status }) => metrics?.sqnr ?? (status === 'equal' ? Infinity : 0)),
  );
  if (tier === 'fast' && sqnr >= leastSqnr) return;
  throw new Fp8labError(`${comparison.mismatches} of ${comparison.elements} elements are wrong, so nothing was timed`, {
    kind: 'mismatch',
    code: 'wrong-result',
    where: `${spec.label} on ${backend}`,
    fix: `run \`fp8lab parity ${spec.label}\``,
  });
}

/** Milliseconds as text. */
export const milliseconds = (time: number): string =>
  time >= 100 ? time.toFixed(0) : time >= 1 ? time.toFixed(2) : time.toFixed(4);

/** Who computed, and whether a CPU plays the GPU. */
export function describeIdentity(identity: BackendIdentity): string {
  const software = identity.software ? ' (software: a CPU plays the GPU; these are no GPU times)' : '';
  return `${identity.backend}: ${identity.runtime}, ${identity.adapter}${software}\n`;
}

/** A label as part of a file's name: `gemm-bench-1024`. */
export const fileName = (label: string): string => label.replace(/[^A-Za-z0-9-]+/g, '-');
