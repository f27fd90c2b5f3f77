import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Fp8labError, inputError } from '../errors.ts';
import { type ByteSource, shortRead } from './byte-source.ts';
import { buildHeader, type HeaderLimits, shortName, type TensorEntry } from './header.ts';
import { packCodes } from './packing.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from './safetensors.ts';
import type { Tensor, TensorDeclaration, Tensors } from './tensor.ts';

const readProblems: Readonly<Record<string, readonly [problem: string, code: string, fix: string]>> = {
  ENOENT: ['no such file or folder', 'missing-file', 'check the path'],
  ENOTDIR: ['a part of the path is no folder', 'missing-file', 'check the path'],
  EISDIR: ['this is a folder', 'not-a-file', 'name a file in it'],
  ELOOP: ['a circle of symbolic links', 'not-a-file', 'mend the links'],
  EACCES: ['permission denied', 'permission-denied', 'change its permissions, or run as a user who may'],
  EPERM: ['permission denied', 'permission-denied', 'change its permissions, or run as a user who may'],
};

const writeProblems: Readonly<Record<string, readonly [problem: string, code: string, fix: string]>> = {
  ENOSPC: [
    'the disk is full',
    'disk-full',
    'free space or write elsewhere; what was complete is kept, run again to go on',
  ],
  EDQUOT: ['the disk quota is used up', 'disk-full', 'free space or write elsewhere, then run again to go on'],
  EFBIG: [
    'a file may not grow this large here',
    'disk-full',
    'raise the file size limit (ulimit -f) or write elsewhere',
  ],
  EROFS: ['the file system is read-only', 'read-only', 'write elsewhere'],
  EACCES: ['permission denied', 'read-only', 'write elsewhere, or change the permissions of the folder'],
  EPERM: ['permission denied', 'read-only', 'write elsewhere, or change the permissions of the folder'],
  ENOENT: ['no such folder', 'missing-folder', 'make the folder first'],
  ENOTDIR: ['a part of the path is no folder', 'missing-folder', 'check the path'],
  EEXIST: ['there is a file where a folder is needed', 'missing-folder', 'check the path'],
  EISDIR: ['there is a folder of this name', 'is-a-folder', 'name a file'],
};

/** What the system said of a file that was read, as the one error class: bad input, exit code 4. */
export function readError(cause: unknown, path: string): Error {
  if (cause instanceof Fp8labError) return cause;
  const known = readProblems[(cause as NodeJS.ErrnoException)?.code ?? ''];
  const [problem, code, fix] = known ?? [String(cause), 'read-failed', 'check the disk'];
  return inputError(problem, code, path, fix, cause);
}

/** What the system said of a file that was written: a matter of the machine, exit code 3. */
export function writeError(cause: unknown, path: string): Error {
  if (cause instanceof Fp8labError) return cause;
  const known = writeProblems[(cause as NodeJS.ErrnoException)?.code ?? ''];
  const [problem, code, fix] = known ?? [String(cause), 'write-failed', 'check the disk'];
  return new Fp8labError(problem, { kind: 'environment', code, where: path, fix, cause });
}

/** Opens a regular file for positional reads. Links are followed; pipes and devices are refused, not waited on. */
export async function openFile(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw readError(cause, path);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      const problem = stats.isDirectory() ? 'this is a folder' : 'not a regular file';
      throw inputError(problem, 'not-a-file', path, 'name a .safetensors file');
    }
    return handleSource(handle, path, stats.size);
  } catch (error) {
    await handle.close();
    throw readError(error, path);
  }
}

function handleSource(handle: FileHandle, name: string, size: number): ByteSource {
  let open = true;
  return {
    name,
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let got = 0;
      while (got < length) {
        // One system call reads at most 2^31 - 1 bytes.
        const part = Math.min(length - got, 2 ** 30);
        const { bytesRead } = await handle.read(bytes, got, part, offset + got).catch((cause) => {
          throw readError(cause, name);
        });
        if (bytesRead === 0) throw shortRead(name, offset, length, got);
        got += bytesRead;
      }
      return bytes;
    },
    async close() {
      if (open) await handle.close();
      open = false;
    },
  };
}

/** Opens a safetensors file on disk; the caller closes its source. */
export async function openSafetensorsFile(path: string, limits?: HeaderLimits): Promise<SafetensorsFile> {
  const source = await openFile(path);
  try {
    return await openSafetensors(source, limits);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Every tensor of a file, in memory. */
export async function readTensors(path: string): Promise<Tensors> {
  const file = await openSafetensorsFile(path);
  try {
    const tensors: Record<string, Tensor> = Object.create(null);
    for (const name of file.entries.keys()) tensors[name] = await readTensor(file, name);
    return tensors;
  } finally {
    await file.source.close();
  }
}

/** Writes tensors as a safetensors file, whole or not at all. The same tensors and metadata give the same bytes. */
export async function writeTensors(
  path: string,
  tensors: Tensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const declarations = Object.entries(tensors).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const writer = await createSafetensors(path, declarations, metadata);
  try {
    for (const [name, tensor] of Object.entries(tensors))
      await writer.write(name, packCodes(tensor.codes, tensor.dtype));
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** A safetensors file in the making, under a temporary name beside its place. */
export interface SafetensorsWriter {
  /** The temporary file, at its full length already; others may write into it at the entries' offsets. */
  readonly temporary: string;
  /** Size of the finished file in bytes. */
  readonly fileSize: number;
  /** Where each tensor lies in it. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Writes packed bytes at an offset within a tensor. */
  write(name: string, bytes: Uint8Array, offset?: number): Promise<void>;
  /** Makes the file durable and gives it its name. Whoever calls it has written every byte. */
  commit(): Promise<void>;
  /** Removes the temporary file; nothing happens after `commit`. */
  abort(): Promise<void>;
}

/** A file takes the place of a file or of nothing: renaming over a device or pipe (`/dev/null`) would do away with it. */
async function refuseSpecial(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  throw inputError(`${path} is there and is no file`, 'not-a-file', path, 'give another path');
}

/** Makes a folder and those above it that are missing. Gives the first one made; undefined where all were there. */
export async function makeFolder(path: string): Promise<string | undefined> {
  return mkdir(path, { recursive: true }).catch((cause) => {
    throw writeError(cause, path);
  });
}

/** Refuses, before anything is computed for it, a path where no file can be written. */
export async function requireWritable(path: string): Promise<void> {
  await refuseSpecial(path);
  await access(`${dirname(path)}/.`, constants.W_OK).catch((cause) => {
    throw writeError(cause, path);
  });
}

/** Begins a safetensors file: the header is written, the data follows by `write` in any order. */
export async function createSafetensors(
  path: string,
  declarations: readonly TensorDeclaration[],
  metadata: Readonly<Record<string, string>>,
): Promise<SafetensorsWriter> {
  await refuseSpecial(path);
  const { bytes, entries, fileSize } = buildHeader(declarations, metadata);
  const temporary = temporaryName(path);
  let handle: FileHandle | undefined;
  const close = async (): Promise<void> => {
    await handle?.close();
    handle = undefined;
  };
  const abort = async (): Promise<void> => {
    await close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
  };
  const guarded = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (cause) {
      await abort();
      throw writeError(cause, path);
    }
  };
  await guarded(async () => {
    handle = await open(temporary, 'wx');
    await handle.truncate(fileSize);
    await writeAt(handle, bytes, 0);
  });
  return {
    temporary,
    fileSize,
    entries,
    async write(name, data, offset = 0) {
      const entry = entries.get(name);
      if (entry === undefined || entry.begin + offset + data.length > entry.end) {
        throw inputError(`bytes outside tensor ${shortName(name)}`, 'out-of-range', path, 'write within its entry');
      }
      await guarded(() => writeAt(handle!, data, entry.begin + offset));
    },
    commit: () =>
      guarded(async () => {
        await handle!.sync();
        await close();
        await rename(temporary, path);
        await syncFolder(dirname(path));
      }),
    abort,
  };
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const part = Math.min(bytes.length - done, 2 ** 30);
    done += (await handle.write(bytes, done, part, offset + done)).bytesWritten;
  }
}

/** Makes a rename durable. Some file systems do not let a folder be synced; the rename stands all the same. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Writes a small file whole or not at all. */
export async function writeFileAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await refuseSpecial(path);
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, content, { flag: 'wx', flush: true });
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(cause, path);
  }
}

const host = (): string =>
  hostname()
    .replace(/[^\w-]/g, '_')
    .slice(0, 40);

/** A name beside `path` for a file in the making: it tells which process of which machine makes it. */
export function temporaryName(path: string): string {
  const unique = randomBytes(4).toString('hex');
  return join(dirname(path), `.${basename(path)}.${host()}.${process.pid}.${unique}.partial`);
}

/** Removes what processes of this machine that are gone left in a folder. Names of a still running process or another machine are kept. */
export async function removeStalePartials(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const match = /^\..+\.([\w-]+)\.(\d+)\.[\da-f]{8}\.partial$/.exec(name);
    if (match !== null && match[1] === host() && !isRunning(Number(match[2]))) {
      await rm(join(folder, name), { force: true }).catch(() => {});
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
