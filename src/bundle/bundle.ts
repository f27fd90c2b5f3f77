import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { create } from 'tar';
import type { Backend } from '../backends/backend.ts';
import type { Environment } from '../backends/machine.ts';
import { Fp8labError } from '../errors.ts';
import { digestTensors } from '../parity/evidence.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { writeError } from '../tensors/files.ts';
import { copyJsonHeaders, copyNode, copyPackage, filesBelow } from './contents.ts';
import { runScript } from './run-script.ts';

/** How a bundle is made. */
export interface BundleOptions {
  /** Where the archive is written: a .tar.gz. */
  readonly out: string;
  readonly version: string;
  /** Specs that travel resolved, with the digests of their results. */
  readonly specs: readonly LoadedSpec[];
  /** Who computes the reference digests; undefined leaves them out. */
  readonly backend: Backend | undefined;
  /** Take Node, Dawn and the packages along: the whole command line then runs on the other machine. */
  readonly node: boolean;
  readonly env: Environment;
  readonly signal: AbortSignal;
  onStep?(step: string, done: number, total: number): void;
}

/** What was made. */
export interface Bundle {
  readonly file: string;
  readonly bytes: number;
  readonly files: number;
  readonly sha256: string;
}

/** File name of a resolved spec: `gemm/dsv3-q-a` is `gemm.dsv3-q-a.json`. */
export const resolvedSpecFile = (label: string): string => `${label.replaceAll('/', '.')}.json`;

/**
 * Packs all that a machine without internet needs to build the native path, run every spec there, measure, and bring evidence home. Every file's
 * SHA-256 is in the archive, and its `run` refuses to start where one is missing or altered.
 */
export async function makeBundle(options: BundleOptions): Promise<Bundle> {
  const name = basename(options.out).replace(/\.(tar\.gz|tgz)$/, '');
  const folder = await mkdtemp(join(tmpdir(), 'fp8lab-bundle-'));
  try {
    const root = join(folder, name);
    await mkdir(root);
    copyPackage(root);
    copyJsonHeaders(root, options.env);
    if (options.node) copyNode(root);
    await writeSpecs(root, options);
    await writeFile(join(root, 'run'), runScript);
    await chmod(join(root, 'run'), 0o755);
    await writeManifest(root, options);
    const files = await writeSums(root);
    options.signal.throwIfAborted();
    return { ...(await pack(folder, name, options)), files };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeSpecs(root: string, { specs, backend, signal, onStep }: BundleOptions): Promise<void> {
  for (const path of ['specs/resolved', 'reference']) await mkdir(join(root, path), { recursive: true });
  for (const [i, { label, spec }] of specs.entries()) {
    signal.throwIfAborted();
    onStep?.(label, i, specs.length);
    await writeFile(join(root, 'specs/resolved', resolvedSpecFile(label)), `${JSON.stringify(spec, null, 2)}\n`);
    if (backend === undefined) continue;
    const { tensors } = await backend.run(spec, { signal });
    const sorted = Object.fromEntries(Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1)));
    const line = { schemaVersion: 1, spec: spec.name, backend: backend.name, tensors: await digestTensors(sorted) };
    await writeFile(join(root, 'reference', resolvedSpecFile(label)), `${JSON.stringify(line)}\n`);
  }
}

async function writeManifest(root: string, { version, specs, backend, node }: BundleOptions): Promise<void> {
  const manifest = {
    schemaVersion: 1,
    fp8lab: version,
    made: new Date().toISOString(),
    platform: node ? `linux-${process.arch}` : 'any with a C++20 compiler',
    node: node ? process.version : null,
    specs: specs.length,
    reference: backend?.name ?? null,
  };
  await writeFile(join(root, 'bundle.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function writeSums(root: string): Promise<number> {
  const files = filesBelow(root);
  const lines = [];
  for (const file of files) lines.push(`${await sha256Of(join(root, file))}  ./${file}\n`);
  await writeFile(join(root, 'SHA256SUMS'), lines.join(''));
  return files.length;
}

/** The archive takes its place only when it is whole. */
async function pack(
  folder: string,
  name: string,
  { out, signal, onStep }: BundleOptions,
): Promise<Omit<Bundle, 'files'>> {
  const file = resolve(out);
  const partial = join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}.part`);
  onStep?.('packing', 1, 1);
  try {
    await create({ gzip: { level: 6 }, file: partial, cwd: folder, portable: true }, [name]);
    signal.throwIfAborted();
    const sha256 = await sha256Of(partial);
    await rename(partial, file);
    return { file, bytes: (await stat(file)).size, sha256 };
  } catch (cause) {
    await rm(partial, { force: true });
    if (signal.aborted || cause instanceof Fp8labError) throw cause;
    throw writeError(cause, file);
  }
}
