import { arch, cpus, type as osType, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { RunResult } from '../backends/backend.ts';
import { digestTensors, type TensorDigest } from '../parity/evidence.ts';
import { type ReportInput, renderReport } from '../parity/report.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { makeFolder, requireWritable, writeFileAtomically } from '../tensors/files.ts';
import { thisCommand } from './shell.ts';
import { packageVersion } from './version.ts';

/** Digests of the reference's results, gathered as they come. */
export interface DigestKeeper {
  add(spec: LoadedSpec, result: RunResult): Promise<void>;
  readonly digests: ReadonlyMap<string, Readonly<Record<string, TensorDigest>>>;
}

/** Keeps the digests that a report shows. */
export function keepDigests(): DigestKeeper {
  const digests = new Map<string, Readonly<Record<string, TensorDigest>>>();
  const add = async ({ label }: LoadedSpec, { identity, tensors }: RunResult): Promise<void> => {
    if (identity.backend === 'reference') digests.set(label, await digestTensors(tensors));
  };
  return { add, digests };
}

/** What tells machines apart, and nothing that identifies a person. */
function machineText(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${osType()} ${release()} ${arch()}, ${cpus().length} x ${cpu?.model.trim() ?? 'unknown processor'}, ${memory} GiB, Node ${process.versions.node}`;
}

/** Makes the folder of a page that will be written, and refuses a place for it that is none, before anything is computed. */
export async function prepareReport(path: string): Promise<void> {
  await makeFolder(dirname(path));
  await requireWritable(path);
}

/** Writes the report page, whole or not at all. */
export async function writeReport(
  path: string,
  input: Omit<ReportInput, 'date' | 'version' | 'machine' | 'command'>,
): Promise<void> {
  const page = renderReport({
    ...input,
    date: new Date(),
    version: packageVersion(),
    machine: machineText(),
    command: thisCommand(),
  });
  await writeFileAtomically(path, page);
}
