import type { RunResult } from '../backends/backend.ts';
import type { Tier } from '../kernels/kernel.ts';
import {
  type Evidence,
  holdAgainst,
  makeEvidence,
  matchingEvidence,
  readEvidence,
  writeEvidence,
} from '../parity/evidence.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { packageVersion } from './version.ts';

/** A result that was held against a piece of evidence. */
export interface EvidenceOutcome {
  readonly spec: string;
  readonly backend: string;
  /** Who recorded the evidence: `native:cuda, NVIDIA H200`. */
  readonly recorder: string;
  readonly equal: boolean;
  readonly message: string;
}

/** Collects results as they come. */
export interface EvidenceKeeper {
  add(spec: LoadedSpec, result: RunResult): Promise<void>;
  readonly outcomes: readonly EvidenceOutcome[];
}

/**
 * Opens the folder to hold results against, the folder to record into, or both. Evidence that cannot be read is refused before anything runs.
 * The reference gives the same bytes on every machine, so it is worth recording only where it ran alone.
 */
export async function openEvidence(
  against: string | undefined,
  record: string | undefined,
  tier: Tier,
  { recordReference = true } = {},
): Promise<EvidenceKeeper> {
  const known = against === undefined ? [] : await readEvidence(against);
  const outcomes: EvidenceOutcome[] = [];
  const add = async (spec: LoadedSpec, result: RunResult): Promise<void> => {
    for (const evidence of await matchingEvidence(known, spec, tier))
      outcomes.push(await hold(evidence, spec.label, result));
    if (record !== undefined && (recordReference || result.identity.backend !== 'reference'))
      await writeEvidence(record, await makeEvidence(spec, result, { tier, version: packageVersion() }));
  };
  return { add, outcomes };
}

async function hold(evidence: Evidence, label: string, result: RunResult): Promise<EvidenceOutcome> {
  const { equal, problems } = await holdAgainst(evidence, result.tensors);
  const { backend, adapter } = evidence.backend;
  const recorder = [backend, adapter].filter(Boolean).join(', ');
  return { spec: label, backend: result.identity.backend, recorder, equal, message: problems.join('; ') };
}
