import { Fp8labError } from '../errors.ts';
import { generatedMatrix, parseInput, type StudyMatrix } from './matrix.ts';
import type { AnyOptionValues } from './options.ts';
import type { CaseStore, Row, Study, StudyCase, StudyContext } from './study.ts';

/** Which of a study's cases to run, and how. */
export interface StudyRun {
  readonly options: AnyOptionValues;
  /** Texts of the inputs; the study's own where undefined. */
  readonly inputs?: readonly string[];
  /** Loads inputs that are no generators: files. Without it they are refused. */
  readonly load?: (input: string) => Promise<StudyMatrix>;
  /** The i-th (from 1) of n parts: every n-th case. */
  readonly part?: { readonly index: number; readonly count: number };
  readonly signal?: AbortSignal;
  /** Share of the whole run that is done, 0..1. */
  readonly onProgress?: (done: number, note: string) => void;
  /** Rows shown while a case runs. */
  readonly onRow?: (row: Row) => void;
  readonly store?: CaseStore;
  readonly backend?: StudyContext['backend'];
}

/** Milliseconds of work between two turns of the event loop. */
const slice = 30;

/** The inputs of a run: those given, or the study's own. Refuses inputs for a study that takes none. */
export function inputsOf(study: Study, given: readonly string[] | undefined): readonly string[] {
  if (study.inputs !== undefined) return given !== undefined && given.length > 0 ? given : study.inputs;
  if (given === undefined || given.length === 0) return [];
  throw new Fp8labError(`the study ${study.name} takes no input`, {
    kind: 'usage',
    code: 'no-input-taken',
    where: '--input',
    fix: 'leave --input away',
  });
}

/**
 * Rows of a study, in the order of its cases; of a part's cases alone where `part` is given. Throws the `interrupted` error when the signal is
 * aborted.
 */
export async function runStudy(study: Study, run: StudyRun): Promise<readonly Row[]> {
  const rows = await runCases(study, run);
  return rows.flatMap((entry) => entry.rows);
}

/** Rows of one case. */
export interface CaseRows {
  /** Place of the case among all of the study. */
  readonly index: number;
  readonly rows: readonly Row[];
}

/** {@link runStudy}, with each case's rows by themselves, so that parts can be put together again. */
export async function runCases(study: Study, run: StudyRun): Promise<readonly CaseRows[]> {
  const { options, part } = run;
  const all = study.cases(options, inputsOf(study, run.inputs)).map((studyCase, index) => ({ studyCase, index }));
  const mine = part === undefined ? all : all.filter(({ index }) => index % part.count === part.index - 1);
  const matrix = matrices(run);
  const results: CaseRows[] = [];
  for (const [done, { studyCase, index }] of mine.entries()) {
    const context = contextOf(run, matrix, studyCase, done, mine.length);
    await context.progress(0);
    results.push({ index, rows: await study.run(studyCase, options, context) });
  }
  run.onProgress?.(1, '');
  return results;
}

function contextOf(
  run: StudyRun,
  matrix: StudyContext['matrix'],
  { label }: StudyCase,
  before: number,
  total: number,
): StudyContext {
  let last = performance.now();
  const breathe = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    last = performance.now();
  };
  return {
    async progress(done, note) {
      if (performance.now() - last > slice) await breathe();
      if (run.signal?.aborted) throw interrupted();
      run.onProgress?.((before + Math.min(done, 1)) / total, note === undefined ? label : `${label}: ${note}`);
    },
    matrix,
    watch: (row) => run.onRow?.(row),
    ...(run.store && { store: run.store }),
    ...(run.backend && { backend: run.backend }),
  };
}

function interrupted(): Fp8labError {
  return new Fp8labError('the study was interrupted', {
    kind: 'interrupted',
    code: 'interrupted',
    where: 'study',
    fix: 'run it again',
  });
}

/** Matrices by their text, the last one kept: cases of one input follow each other. */
function matrices(run: StudyRun): StudyContext['matrix'] {
  let last: { readonly input: string; readonly matrix: Promise<StudyMatrix> } | undefined;
  return (input) => {
    if (last?.input !== input) last = { input, matrix: makeMatrix(input, run) };
    return last.matrix;
  };
}

async function makeMatrix(input: string, { options, load }: StudyRun): Promise<StudyMatrix> {
  const generated = parseInput(input, Number(options.seed ?? 1));
  if (generated !== undefined) return generatedMatrix(generated, Number(options.rows), Number(options.columns), input);
  if (load !== undefined) return load(input);
  throw new Fp8labError(`${input} is no generator`, {
    kind: 'usage',
    code: 'bad-input',
    where: '--input',
    fix: 'name a generator, or a tensor as FILE.safetensors:TENSOR',
  });
}
