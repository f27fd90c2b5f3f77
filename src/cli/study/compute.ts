import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Backend, BackendName } from '../../backends/backend.ts';
import { createNativeServer } from '../../backends/native-server.ts';
import { createBackend } from '../../backends/registry.ts';
import { Fp8labError, inputError } from '../../errors.ts';
import { canonicalJson } from '../../specs/canonical.ts';
import type { AnyOptionValues } from '../../studies/options.ts';
import { type CaseRows, runCases } from '../../studies/run.ts';
import type { CaseStore, Row, Study } from '../../studies/study.ts';
import { makeFolder, readError, writeFileAtomically } from '../../tensors/files.ts';
import type { Io } from '../io.ts';
import type { Part } from '../part.ts';
import { packageVersion } from '../version.ts';
import type { InputLoader } from './inputs.ts';
import { liveProgress } from './progress.ts';

/** What is to be computed, and where parts are kept. */
export interface StudyWork {
  readonly options: AnyOptionValues;
  readonly inputs: readonly string[];
  readonly loader: InputLoader;
  readonly out?: string | undefined;
  /** Where a resumable study keeps the state of its cases. */
  readonly checkpoint?: string | undefined;
  readonly part?: Part | undefined;
}

/** Rows of the whole study, or, where parts are missing still, which. */
export interface Computed {
  readonly rows?: readonly Row[];
  readonly missing: readonly string[];
  readonly notes: readonly string[];
}

/** What a part leaves for the others: its cases' rows under the identity of the run. */
interface PartFile {
  readonly fp8labStudyPart: 1;
  readonly identity: string;
  readonly cases: readonly CaseRows[];
  readonly notes: readonly string[];
}

/** Two runs of one identity have the same rows: study, options, inputs, version. */
async function identityOf(study: Study, { options, inputs, loader }: StudyWork): Promise<string> {
  const what = {
    study: study.name,
    version: packageVersion(),
    options,
    inputs,
    files: await loader.identities(inputs),
  };
  return createHash('sha256').update(canonicalJson(what)).digest('hex').slice(0, 16);
}

/**
 * Computes a study, or a part of it. A part's rows are kept in the folder; the part that finds all others there puts them together, and a part
 * that is there already is not computed again.
 */
export async function computeStudy(study: Study, work: StudyWork, io: Io): Promise<Computed> {
  const { out, part, loader } = work;
  if (part === undefined) {
    const cases = await runWith(study, work, undefined, io);
    return { rows: cases.flatMap(({ rows }) => rows), missing: [], notes: loader.notes() };
  }
  if (out === undefined) throw needsFolder();
  await makeFolder(out);
  const identity = await identityOf(study, work);
  if ((await readPart(out, study, part, identity)) === undefined) {
    const cases = await runWith(study, work, identity, io);
    const file: PartFile = { fp8labStudyPart: 1, identity, cases, notes: loader.notes() };
    await writeFileAtomically(partPath(out, study, part), `${JSON.stringify(file)}\n`);
  }
  return merge(out, study, part, identity);
}

function needsFolder(): Error {
  return new Fp8labError('a part has no place to keep its rows', {
    kind: 'usage',
    code: 'missing-folder',
    where: '--part',
    fix: 'add --out FOLDER',
  });
}

const partPath = (out: string, study: Study, { index, count }: Part): string =>
  join(out, `${study.name}.part-${index}-of-${count}.json`);

async function merge(out: string, study: Study, { count }: Part, identity: string): Promise<Computed> {
  const indices = Array.from({ length: count }, (_, i) => i + 1);
  const files = await Promise.all(indices.map((index) => readPart(out, study, { index, count }, identity)));
  const missing = indices.filter((_, i) => files[i] === undefined).map((index) => `${index}/${count}`);
  const there = files.filter((file) => file !== undefined);
  const notes = Array.from(new Set(there.flatMap((file) => file.notes)));
  if (missing.length > 0) return { missing, notes };
  const cases = there.flatMap((file) => file.cases).sort((a, b) => a.index - b.index);
  return { rows: cases.flatMap(({ rows }) => rows), missing, notes };
}

/** A part's file; undefined where it is not there. One of another run is refused: its rows do not belong to these. */
async function readPart(out: string, study: Study, part: Part, identity: string): Promise<PartFile | undefined> {
  const path = partPath(out, study, part);
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw readError(cause, path);
  });
  if (text === undefined) return undefined;
  const file = parsePartFile(text, path);
  if (file.identity === identity) return file;
  const problem = 'this part is of a run with other options, inputs or another version';
  throw inputError(problem, 'other-run', path, 'give another --out, or remove the file');
}

function parsePartFile(text: string, path: string): PartFile {
  try {
    const file = JSON.parse(text);
    if (file?.fp8labStudyPart === 1 && Array.isArray(file.cases) && Array.isArray(file.notes)) return file;
  } catch {
    // Told below, as any other content that is no part.
  }
  throw inputError('this is no part of a study', 'bad-part-file', path, 'remove the file and run the part again');
}

async function runWith(
  study: Study,
  work: StudyWork,
  identity: string | undefined,
  io: Io,
): Promise<readonly CaseRows[]> {
  const { options, inputs, loader, part } = work;
  const progress = liveProgress(study, io);
  const store = await storeOf(study, work, identity);
  const backends = createBackends(io.env);
  try {
    return await runCases(study, {
      options,
      ...(study.inputs !== undefined && { inputs }),
      load: loader.load,
      ...(part && { part }),
      ...(store && { store }),
      backend: backends.get,
      signal: io.signal,
      onProgress: progress.update,
      onRow: progress.row,
    });
  } finally {
    progress.stop();
    await backends.close();
  }
}

/** One core is left to this process, which makes the next operands meanwhile. */
const nativeThreads = Math.max(availableParallelism() - 1, 1);

/** Backends that are made when a study first asks for them. The native ones stay up between specs: a study runs thousands of small ones. */
function createBackends(env: Io['env']): { get(name: BackendName): Backend; close(): Promise<void> } {
  const open = new Map<BackendName, Backend>();
  return {
    get(name) {
      let backend = open.get(name);
      if (backend === undefined) {
        const native = name === 'native:host' || name === 'native:cuda';
        backend = native ? createNativeServer(name, { env, threads: nativeThreads }) : createBackend(name, { env });
        open.set(name, backend);
      }
      return backend;
    },
    close: async () => {
      await Promise.all(Array.from(open.values(), (backend) => backend.close()));
    },
  };
}

async function storeOf(study: Study, work: StudyWork, identity: string | undefined): Promise<CaseStore | undefined> {
  const { out, checkpoint } = work;
  if (study.resumable) return checkpoint === undefined ? undefined : checkpointStore(checkpoint, study);
  return out === undefined ? undefined : folderStore(out, study, identity ?? (await identityOf(study, work)));
}

const fileName = (name: string): string => name.replace(/[^\w.-]+/g, '-');

/** Keeps the state of each case in a file of its own. The study itself refuses the state of a run with other settings. */
function checkpointStore(folder: string, study: Study): CaseStore {
  const pathOf = (name: string): string => join(folder, `${study.name}.${fileName(name)}.safetensors`);
  return {
    place: pathOf,
    async load(name) {
      const path = pathOf(name);
      return readFile(path).then(
        (bytes) => new Uint8Array(bytes),
        (cause: NodeJS.ErrnoException) => {
          if (cause.code === 'ENOENT') return undefined;
          throw readError(cause, path);
        },
      );
    },
    async save(name, bytes) {
      await makeFolder(folder);
      await writeFileAtomically(pathOf(name), bytes);
    },
  };
}

/** Keeps the state of long cases beside the results, under the run's identity, so that another run's state is never taken up. */
function folderStore(out: string, study: Study, identity: string): CaseStore {
  const pathOf = (name: string): string => join(out, `${study.name}.${identity}.${fileName(name)}.state`);
  return {
    place: pathOf,
    async load(name) {
      const present = await readdir(out).catch(() => []);
      const path = pathOf(name);
      if (!present.some((file) => join(out, file) === path)) return undefined;
      return new Uint8Array(await readFile(path));
    },
    async save(name, bytes) {
      await makeFolder(out);
      await writeFileAtomically(pathOf(name), bytes);
    },
  };
}
