import { lstat, mkdir, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { Fp8labError, inputError } from '../errors.ts';
import {
  createSafetensors,
  makeFolder,
  openSafetensorsFile,
  removeStalePartials,
  writeFileAtomically,
} from '../tensors/files.ts';
import { packedBytes } from '../tensors/packing.ts';
import { elementCount, type TensorDeclaration } from '../tensors/tensor.ts';
import { type Checkpoint, indexName, type Located, type Shard } from './checkpoint.ts';
import type { Place } from './disk.ts';
import { fileDigest, type Lost, lostOf, manifestFolder, manifestState, writeManifest } from './manifest.ts';
import { createPool, defaultWorkers, forEachConcurrent, interrupted, type Pool } from './pool.ts';

/** What becomes of one tensor: the tensors that replace it, and the work that fills them. */
export interface Transform {
  readonly source: Located;
  readonly outputs: readonly TensorDeclaration[];
  /** Fills the outputs; `place` gives where each lies. Gives the elements that came out as NaN with others of their tile, where that can be. */
  run(pool: Pool, place: (name: string) => Place): Promise<number | undefined>;
  /** Reads the outputs back and counts the bytes that differ from the reference; absent for copies. */
  verify?(pool: Pool, place: (name: string) => Place): Promise<number>;
}

/** A conversion of a whole checkpoint, apart from where it is written. */
export interface Conversion {
  /** Canonical JSON: what makes two runs the same job. */
  readonly identity: string;
  /** Transforms of a shard's tensors; a tensor without one is left out (a scale that was folded in). */
  transforms(shard: Shard): readonly Transform[];
  /** The rewritten config.json. */
  config(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Metadata of a rewritten shard. */
  metadata(shard: Shard): Readonly<Record<string, string>>;
}

/** How a conversion is run. */
export interface ConvertOptions {
  /** Of `count` parts of the shards, number `index` (from 1). */
  readonly part?: { readonly index: number; readonly count: number };
  readonly workers?: number;
  /** Replaces outputs of another job, and writes into a folder that has other files. */
  readonly force?: boolean;
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
  /** Called as input is done; bytes of source tensors. */
  readonly onProgress?: (doneBytes: number, totalBytes: number, shard: string) => void;
}

/** What a conversion did. */
export interface ConvertReport {
  readonly shards: readonly { readonly name: string; readonly state: 'written' | 'kept' | 'other-part' }[];
  /** Whether every part is there and the folder's index and configuration are written. */
  readonly complete: boolean;
  /** Bytes of source tensors that this run converted. */
  readonly bytes: number;
  readonly seconds: number;
  readonly workers: number;
  /** Tensors of this part of which elements came out as NaN: a NaN or Inf takes its whole tile along. */
  readonly lost: readonly Lost[];
  /** With `verify`: tensors read back and bytes that differ from the reference. */
  readonly verified?: { readonly tensors: number; readonly mismatches: number };
}

/** Converts a checkpoint, shard by shard. A shard that is proved complete is kept; the folder's index and configuration come last. */
export async function convertCheckpoint(
  checkpoint: Checkpoint,
  output: string,
  conversion: Conversion,
  options: ConvertOptions = {},
): Promise<ConvertReport> {
  const started = performance.now();
  const target = await prepareTarget(checkpoint, output, conversion, options);
  const mine = checkpoint.shards.filter(
    (_, i) => options.part === undefined || i % options.part.count === options.part.index - 1,
  );
  const kept = new Set<string>();
  for (const shard of mine) if (await isComplete(target, shard, conversion, options)) kept.add(shard.name);
  const remaining = mine.filter((shard) => !kept.has(shard.name));
  const pool = createPool(options.workers ?? defaultWorkers(), options.signal);
  try {
    const progress = progressOver(remaining, conversion, options);
    for (const shard of remaining) await convertShard(shard, target, conversion, pool, progress, options);
    const verified = options.verify ? await verifyShards(mine, target, conversion, pool) : undefined;
    const complete = await finish(checkpoint, target, conversion);
    const lost = await Promise.all(mine.map((shard) => lostOf(target.folder, target.nameOf(shard))));
    return {
      shards: checkpoint.shards.map(({ name }) => ({
        name,
        state: kept.has(name) ? 'kept' : remaining.some((shard) => shard.name === name) ? 'written' : 'other-part',
      })),
      complete,
      bytes: progress.total,
      seconds: (performance.now() - started) / 1000,
      workers: pool.workers,
      lost: lost.flat(),
      ...(verified && { verified }),
    };
  } finally {
    await pool.close();
  }
}

/** Where outputs go: a folder, and the name of each shard in it. */
interface Target {
  readonly folder: string;
  readonly kind: 'file' | 'folder';
  readonly nameOf: (shard: Shard) => string;
}

const pathOf = (target: Target, shard: Shard): string => join(target.folder, target.nameOf(shard));

async function prepareTarget(
  checkpoint: Checkpoint,
  output: string,
  conversion: Conversion,
  options: ConvertOptions,
): Promise<Target> {
  const single = checkpoint.kind === 'file' && output.endsWith('.safetensors');
  if (checkpoint.kind === 'folder' && output.endsWith('.safetensors')) {
    const fix = 'name a folder as output';
    throw usage('a checkpoint folder cannot become one file', 'output-not-a-folder', output, fix);
  }
  await requireApart(checkpoint, output, single);
  const folder = single ? dirname(resolve(output)) : output;
  if (!single) {
    await makeFolder(folder);
  }
  await removeStalePartials(folder);
  await removeStalePartials(join(folder, manifestFolder));
  const target: Target = {
    folder,
    kind: single ? 'file' : 'folder',
    nameOf: ({ name }) => (single ? basename(output) : name),
  };
  if (!options.force) await requireOurs(checkpoint, target, conversion);
  return target;
}

function usage(problem: string, code: string, where: string, fix: string): Fp8labError {
  return new Fp8labError(problem, { kind: 'usage', code, where, fix });
}

/** Refuses an output that is, contains or lies in the input. */
async function requireApart(checkpoint: Checkpoint, output: string, single: boolean): Promise<void> {
  const from = await realpath(checkpoint.path);
  const to = await realpathOfFuture(resolve(output));
  const same = from === to || (single && (await realpathOfFuture(resolve(output))) === from);
  const inside = checkpoint.kind === 'folder' && (to.startsWith(from + sep) || from.startsWith(to + sep));
  if (same || inside) {
    const fix = 'write to a folder of its own, beside the input';
    throw usage('output and input lie in each other', 'output-inside-input', output, fix);
  }
}

/** The real path of something that may not exist yet. */
async function realpathOfFuture(path: string): Promise<string> {
  return realpath(path).catch(async (): Promise<string> => {
    const parent = dirname(path);
    return parent === path ? path : join(await realpathOfFuture(parent), basename(path));
  });
}

/** Refuses to mix with files that this job did not make. */
async function requireOurs(checkpoint: Checkpoint, target: Target, conversion: Conversion): Promise<void> {
  for (const shard of checkpoint.shards) {
    const path = pathOf(target, shard);
    if (!(await lstat(path).catch(() => undefined))) continue;
    const state = await manifestState(target.folder, target.nameOf(shard), conversion.identity, shard);
    if (state === 'complete' || state === 'unfinished') continue;
    const problem = state === 'other' ? 'made by another job or from another source' : 'not made by fp8lab';
    throw usage(`there is a file here already, ${problem}`, 'output-exists', path, 'write elsewhere, or use --force');
  }
  if (target.kind === 'file') return;
  const ours = await lstat(join(target.folder, manifestFolder)).catch(() => undefined);
  const names = await readdir(target.folder);
  if (ours || names.filter((name) => !name.endsWith('.partial')).length === 0) return;
  const fix = 'write to an empty or new folder, or use --force';
  throw usage('the folder has other files in it', 'output-not-empty', target.folder, fix);
}

async function isComplete(
  target: Target,
  shard: Shard,
  conversion: Conversion,
  options: ConvertOptions,
): Promise<boolean> {
  if (options.signal?.aborted) throw interrupted();
  return (await manifestState(target.folder, target.nameOf(shard), conversion.identity, shard)) === 'complete';
}

interface Progress {
  readonly total: number;
  add(bytes: number, shard: string): void;
}

function progressOver(shards: readonly Shard[], conversion: Conversion, { onProgress }: ConvertOptions): Progress {
  const sizes = shards.flatMap((shard) => conversion.transforms(shard).map(({ source }) => sizeOf(source)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  return {
    total,
    add(bytes, shard) {
      done += bytes;
      onProgress?.(done, total, shard);
    },
  };
}

const sizeOf = ({ entry }: Located): number => entry.end - entry.begin;

/** Tensors under way at a time: while one runs out of slices, the next feeds the workers. */
const tensorsAtOnce = 3;

async function convertShard(
  shard: Shard,
  target: Target,
  conversion: Conversion,
  pool: Pool,
  progress: Progress,
  options: ConvertOptions,
): Promise<void> {
  const transforms = conversion.transforms(shard);
  const outputs = transforms.flatMap((transform) => transform.outputs);
  const path = pathOf(target, shard);
  const stop = new AbortController();
  // The source is read for its digest while the workers convert it, so that both take it from the page cache.
  const digest = fileDigest(shard.path, stop.signal);
  digest.catch(() => {});
  const writer = await createSafetensors(path, outputs, conversion.metadata(shard)).catch((error) => {
    stop.abort();
    throw error;
  });
  try {
    const place = (name: string): Place => ({ file: writer.temporary, offset: writer.entries.get(name)!.begin });
    const lost: Lost[] = [];
    await forEachConcurrent(transforms, tensorsAtOnce, async (transform) => {
      const elements = await transform.run(pool, place);
      if (elements !== undefined && elements > 0) lost.push({ tensor: transform.source.entry.name, elements });
      progress.add(sizeOf(transform.source), shard.name);
    });
    const sha256 = await digest;
    if (options.signal?.aborted) throw interrupted();
    const proof = { job: conversion.identity, sha256, size: writer.fileSize, lost };
    await writeManifest(target.folder, target.nameOf(shard), shard, proof);
    await writer.commit();
  } catch (error) {
    stop.abort();
    // No worker may still write when the file is removed.
    if (options.signal?.aborted) await pool.close();
    await writer.abort();
    throw nameOutput(error, writer.temporary, path);
  }
}

/** Errors speak of the file the user knows, not of its temporary name. */
function nameOutput(error: unknown, temporary: string, path: string): unknown {
  if (!(error instanceof Fp8labError) || !error.where.startsWith(temporary)) return error;
  const { message, kind, code, where, fix, cause } = error;
  return new Fp8labError(message, { kind, code, where: where.replace(temporary, path), fix, cause });
}

async function verifyShards(
  shards: readonly Shard[],
  target: Target,
  conversion: Conversion,
  pool: Pool,
): Promise<{ tensors: number; mismatches: number }> {
  let tensors = 0;
  let mismatches = 0;
  for (const shard of shards) {
    const path = pathOf(target, shard);
    const file = await openSafetensorsFile(path);
    await file.source.close();
    const place = (name: string): Place => {
      const entry = file.entries.get(name);
      if (entry !== undefined) return { file: path, offset: entry.begin };
      throw inputError(`the output has no tensor ${name}`, 'missing-tensor', path, 'write it again with --force');
    };
    const checked = conversion.transforms(shard).filter((transform) => transform.verify !== undefined);
    await forEachConcurrent(checked, tensorsAtOnce, async (transform) => {
      mismatches += await transform.verify!(pool, place);
      tensors++;
    });
  }
  return { tensors, mismatches };
}

/** The last step, once every shard of every part is there: index, configuration, other files. False where some are missing. */
async function finish(checkpoint: Checkpoint, target: Target, conversion: Conversion): Promise<boolean> {
  for (const shard of checkpoint.shards) {
    const state = await manifestState(target.folder, target.nameOf(shard), conversion.identity, shard);
    if (state !== 'complete') return false;
  }
  if (checkpoint.kind === 'file') return true;
  if (checkpoint.index !== undefined)
    await keepOrWrite(join(target.folder, indexName), indexText(checkpoint, conversion));
  if (checkpoint.config !== undefined) {
    const config = conversion.config(checkpoint.config);
    await keepOrWrite(join(target.folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  }
  await copyOthers(checkpoint.path, target.folder);
  return true;
}

function indexText(checkpoint: Checkpoint, conversion: Conversion): string {
  const map = new Map<string, string>();
  let size = 0;
  for (const shard of checkpoint.shards) {
    for (const { outputs } of conversion.transforms(shard)) {
      for (const { name, dtype, shape } of outputs) {
        map.set(name, shard.name);
        size += packedBytes(dtype, elementCount(shape));
      }
    }
  }
  const weights = Object.fromEntries(Array.from(map).sort(([a], [b]) => (a < b ? -1 : 1)));
  const metadata = { ...(checkpoint.index?.metadata as object), total_size: size };
  return `${JSON.stringify({ metadata, weight_map: weights }, null, 2)}\n`;
}

/** Writes a file unless it has this content already: a run that has nothing to do changes nothing. */
async function keepOrWrite(path: string, content: string | Uint8Array): Promise<void> {
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(Buffer.from(content as string))) return;
  await writeFileAtomically(path, content);
}

/** Copies tokenizer, licence and what else stands in the folder: regular files, and links to such, of this folder and folders in it. */
async function copyOthers(from: string, to: string, under = ''): Promise<void> {
  for (const entry of await readdir(join(from, under), { withFileTypes: true })) {
    const name = join(under, entry.name);
    const rewritten = under === '' && (entry.name === indexName || entry.name === 'config.json');
    if (rewritten || entry.name.startsWith('.') || entry.name.endsWith('.safetensors')) continue;
    if (entry.isDirectory()) {
      await mkdir(join(to, name), { recursive: true });
      await copyOthers(from, to, name);
    } else {
      const content = await readFile(join(from, name)).catch(() => undefined);
      if (content !== undefined) await keepOrWrite(join(to, name), content);
    }
  }
}

/** A tensor carried over as it is. */
export function copyTransform(source: Located): Transform {
  const { entry, shard } = source;
  const chunk = 2 ** 22;
  return {
    source,
    outputs: [{ name: entry.name, dtype: entry.dtype, shape: entry.shape }],
    async run(pool, place) {
      const to = place(entry.name);
      const offsets = function* (): Iterable<number> {
        for (let at = 0; at < entry.end - entry.begin; at += chunk) yield at;
      };
      await forEachConcurrent(offsets(), Math.max(1, pool.workers), (at) =>
        pool.run({
          kind: 'copy',
          from: { file: shard.path, offset: entry.begin + at },
          length: Math.min(chunk, entry.end - entry.begin - at),
          to: { file: to.file, offset: to.offset + at },
        }),
      );
      return undefined;
    },
  };
}
