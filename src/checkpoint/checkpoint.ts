import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fp8labError, inputError } from '../errors.ts';
import { openSafetensorsFile, readError } from '../tensors/files.ts';
import { shortName, type TensorEntry } from '../tensors/header.ts';
import type { Region } from './disk.ts';

/** Name of a sharded checkpoint's index. */
export const indexName = 'model.safetensors.index.json';

/** One safetensors file of a checkpoint: its header is known, it is not open. */
export interface Shard {
  /** File name within the folder. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where a tensor is. */
export interface Located {
  readonly shard: Shard;
  readonly entry: TensorEntry;
}

/** A checkpoint on disk: one file, or a folder with its index and configuration. */
export interface Checkpoint {
  readonly path: string;
  readonly kind: 'file' | 'folder';
  readonly shards: readonly Shard[];
  readonly tensors: ReadonlyMap<string, Located>;
  /** The parsed index, where there is one. */
  readonly index?: Readonly<Record<string, unknown>>;
  /** The parsed config.json, where there is one. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Opens a safetensors file or a checkpoint folder and reads every header. Errors: docs/checkpoints.md. */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const stats = await stat(path).catch((cause) => {
    throw readError(cause, path);
  });
  if (!stats.isDirectory()) {
    const shard = await readShard(dirname(path), basename(path));
    return { path, kind: 'file', shards: [shard], tensors: locate([shard]) };
  }
  const index = await readJson(join(path, indexName));
  const names = index === undefined ? await looseShards(path) : shardNames(index, join(path, indexName));
  await requireShards(path, names);
  const shards: Shard[] = [];
  for (const name of names) shards.push(await readShard(path, name));
  const tensors = locate(shards);
  if (index !== undefined) requireIndexed(index, tensors, join(path, indexName));
  const config = await readJson(join(path, 'config.json'));
  return { path, kind: 'folder', shards, tensors, ...(index && { index }), ...(config && { config }) };
}

/** A tensor of a shard seen as a matrix [product of the leading extents, last extent]. */
export function regionOf({ shard, entry }: Located): Region {
  const columns = entry.shape.at(-1) ?? 1;
  const rows = entry.shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  return { file: shard.path, offset: entry.begin, dtype: entry.dtype, rows, columns };
}

async function readShard(folder: string, name: string): Promise<Shard> {
  const path = join(folder, name);
  const file = await openSafetensorsFile(path);
  await file.source.close();
  const { mtimeMs, size } = await stat(path);
  return { name, path, size, mtimeMs, entries: file.entries, metadata: file.metadata };
}

/** A JSON object from a file; undefined where there is no such file. */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw readError(cause, path);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw inputError(`not JSON: ${(cause as Error).message}`, 'bad-json', path, 'fetch the file again', cause);
  }
  if (isObject(value)) return value;
  throw inputError('not a JSON object', 'bad-json', path, 'fetch the file again');
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The safetensors files of a folder without an index. */
async function looseShards(folder: string): Promise<readonly string[]> {
  const all = await readdir(folder).catch((cause) => {
    throw readError(cause, folder);
  });
  const names = all.filter((name) => name.endsWith('.safetensors') && !name.startsWith('.')).sort();
  if (names.includes('model.safetensors')) return ['model.safetensors'];
  if (names.length > 0) return names;
  throw inputError('no safetensors file here', 'no-checkpoint', folder, 'name a .safetensors file or a folder of them');
}

/** Names of the files in an index, sorted. A name is a plain file name: whatever else it points to is not part of the checkpoint. */
function shardNames(index: Readonly<Record<string, unknown>>, path: string): readonly string[] {
  const map = index.weight_map;
  if (!isObject(map) || Object.keys(map).length === 0) {
    throw inputError('weight_map is missing or empty', 'bad-index', path, 'fetch the index again');
  }
  for (const [tensor, name] of Object.entries(map)) {
    if (typeof name === 'string' && /^[^/\\\0.][^/\\\0]*\.safetensors$/.test(name)) continue;
    const problem = `${shortName(tensor)} is said to be in ${shortName(String(name))}, which is no plain file name`;
    throw inputError(problem, 'unsafe-path', path, 'do not use this checkpoint: its index points outside its folder');
  }
  return Array.from(new Set(Object.values(map) as string[])).sort();
}

async function requireShards(folder: string, names: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of names) {
    await realpath(join(folder, name)).catch((cause) => {
      if (cause.code !== 'ENOENT') throw readError(cause, join(folder, name));
      missing.push(name);
    });
  }
  if (missing.length === 0) return;
  const problem = `${missing.length} of ${names.length} shards are missing: ${missing.slice(0, 5).join(', ')}`;
  throw inputError(problem, 'missing-shard', folder, 'fetch the missing files');
}

function locate(shards: readonly Shard[]): ReadonlyMap<string, Located> {
  const tensors = new Map<string, Located>();
  for (const shard of shards) {
    for (const [name, entry] of shard.entries) {
      const other = tensors.get(name);
      if (other !== undefined) {
        const where = `${shard.path}, tensor ${shortName(name)}`;
        throw inputError(`the tensor is also in ${other.shard.name}`, 'duplicate-tensor', where, 'remove one of them');
      }
      tensors.set(name, { shard, entry });
    }
  }
  return tensors;
}

function requireIndexed(
  index: Readonly<Record<string, unknown>>,
  tensors: ReadonlyMap<string, Located>,
  path: string,
): void {
  for (const [name, shard] of Object.entries(index.weight_map as Record<string, string>)) {
    const found = tensors.get(name)?.shard.name;
    if (found === shard) continue;
    const problem = `${shortName(name)} is not in ${shard}${found === undefined ? '' : `, but in ${found}`}`;
    throw new Fp8labError(problem, {
      kind: 'input',
      code: 'bad-index',
      where: path,
      fix: 'fetch index and shards again',
    });
  }
}
