import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readError, writeError, writeFileAtomically } from '../tensors/files.ts';
import { isObject, type Shard } from './checkpoint.ts';

/** Folder beside the output files that proves which of them are complete. */
export const manifestFolder = '.fp8lab';

/** Proof that an output file is complete: what was done, to which source, with what outcome. See {@link writeManifest}. */
interface Manifest {
  readonly schemaVersion: 1;
  /** Canonical JSON of the conversion: scheme, selection, layout. */
  readonly job: string;
  readonly source: { readonly size: number; readonly mtimeMs: number; readonly sha256: string };
  readonly output: { readonly size: number };
  readonly lost?: readonly Lost[];
}

/** Elements of a tensor that came out as NaN. */
export interface Lost {
  readonly tensor: string;
  readonly elements: number;
}

/** What is told of an output file. */
interface Proof {
  readonly job: string;
  /** SHA-256 of the source. */
  readonly sha256: string;
  /** Bytes of the output. */
  readonly size: number;
  readonly lost: readonly Lost[];
}

const manifestPath = (folder: string, name: string): string => join(folder, manifestFolder, `${name}.json`);

/** SHA-256 of a file, as `sha256sum` prints it. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    const stream = createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) });
    for await (const chunk of stream) hash.update(chunk as Buffer);
  } catch (cause) {
    throw readError(cause, path);
  }
  return hash.digest('hex');
}

/**
 * Records that `folder/name` will be complete once it is there. Written just before the file gets its name, and after whatever had that name
 * was removed: so a file beside its manifest is whole, and a process killed between the two leaves neither a lie nor a file nobody answers for.
 */
export async function writeManifest(
  folder: string,
  name: string,
  { size, mtimeMs }: Shard,
  proof: Proof,
): Promise<void> {
  const path = manifestPath(folder, name);
  try {
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    await rm(join(folder, name), { force: true });
  } catch (cause) {
    throw writeError(cause, join(folder, name));
  }
  const manifest: Manifest = {
    schemaVersion: 1,
    job: proof.job,
    source: { size, mtimeMs, sha256: proof.sha256 },
    output: { size: proof.size },
    ...(proof.lost.length > 0 && { lost: proof.lost }),
  };
  await writeFileAtomically(path, `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * What is known of an output file: `complete` for this job and source; `unfinished` where this job began it, but it is not there or not whole; `other` where
 * another job made it, or this one from another source; `none` where nothing tells. A source of another modification time is the same one only if its digest is.
 */
export type ManifestState = 'complete' | 'unfinished' | 'other' | 'none';

/** The {@link ManifestState} of `folder/name`. */
export async function manifestState(folder: string, name: string, job: string, shard: Shard): Promise<ManifestState> {
  const manifest = await readManifest(manifestPath(folder, name));
  if (manifest === undefined) return 'none';
  if (manifest.job !== job || manifest.source.size !== shard.size) return 'other';
  const stats = await stat(join(folder, name)).catch(() => undefined);
  if (stats?.size !== manifest.output.size) return 'unfinished';
  if (manifest.source.mtimeMs === shard.mtimeMs) return 'complete';
  return (await fileDigest(shard.path)) === manifest.source.sha256 ? 'complete' : 'other';
}

/** Tensors of `folder/name` of which elements came out as NaN when it was made. */
export async function lostOf(folder: string, name: string): Promise<readonly Lost[]> {
  return (await readManifest(manifestPath(folder, name)))?.lost ?? [];
}

async function readManifest(path: string): Promise<Manifest | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isObject(value) || value.schemaVersion !== 1) return undefined;
    if (!isObject(value.source) || !isObject(value.output)) return undefined;
    return value as unknown as Manifest;
  } catch {
    return undefined;
  }
}
