import type { Backend, BackendName } from '../backends/backend.ts';
import type { Chart } from './chart.ts';
import type { StudyMatrix } from './matrix.ts';
import type { OptionDeclarations, OptionValues } from './options.ts';

/** A value of a row. null: there is none, as the signal-to-noise ratio where there is no noise. */
export type Cell = string | number | null;

/** One measurement: a cell for every column of the study, by the column's name. */
export type Row = Readonly<Record<string, Cell>>;

/** A column of a study's rows. */
export interface Column {
  /** Name in the CSV, in snake case: `max_relative_error`. */
  readonly name: string;
  /** Head in tables: `max rel. error`. */
  readonly label: string;
  /** Unit, if any: `dB`, `bits`. Shares are told as numbers in 0..1 with the format `percent`. */
  readonly unit?: string;
  /** How tables on a terminal show it. CSV has every digit. */
  readonly format: 'text' | 'integer' | 'decimal' | 'percent' | 'scientific';
}

/** A table for readers: cells are text already. */
export interface StudyTable {
  readonly title: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Something the numbers say, in one sentence, and what the paper or another source says of it. */
export interface Finding {
  readonly text: string;
  /** The published figure it stands beside, with its place: `nearly 2 % (DeepSeek-V3 report, 3.3.2)`. */
  readonly published?: string;
}

/** What a study's rows come to. */
export interface Presentation {
  readonly tables: readonly StudyTable[];
  readonly charts: readonly Chart[];
  readonly findings: readonly Finding[];
}

/** Bytes that a long case keeps so that a killed run can go on. */
export interface CaseStore {
  /** What was saved last under a name, or undefined. */
  load(name: string): Promise<Uint8Array | undefined>;
  /** Where that is, for messages. */
  place(name: string): string;
  /** Saves whole or not at all. */
  save(name: string, bytes: Uint8Array): Promise<void>;
}

/** What a case may use while it runs. */
export interface StudyContext {
  /**
   * Tells that a share (0..1) of this case is done. Await it often, every few milliseconds of work: it lets the page paint and Ctrl-C through,
   * returns at once most of the time, and throws the `interrupted` error where the run was cancelled.
   */
  progress(done: number, note?: string): Promise<void>;
  /** The matrix of an input, by its text; only for studies with `inputs`. */
  matrix(input: string): Promise<StudyMatrix>;
  /** Shows a row while the case still runs: a live curve. The row is returned by `run` all the same. */
  watch(row: Row): void;
  /** Where a long case keeps its state; undefined where there is no such place (a page, a run without `--out`). */
  readonly store?: CaseStore;
  /** A backend by its name, open until the run ends; undefined where none can be started (a page). What it lacks is told by its first use. */
  readonly backend?: (name: BackendName) => Backend;
}

/** A unit of work of a study: independent of the others, so that parts of a job array can do their share. */
export interface StudyCase {
  /** Unique within the study's run; named in progress and in messages. */
  readonly label: string;
}

/** The parts of a study as its author writes them; {@link defineStudy} makes a {@link Study} of it. */
export interface StudyDefinition<D extends OptionDeclarations, C extends StudyCase> {
  /** Name on the command line, in kebab case. */
  readonly name: string;
  readonly title: string;
  /** Where the question comes from: `DeepSeek-V3 report, 3.3.2`. */
  readonly source: string;
  /** What is asked, in a sentence or two. */
  readonly question: string;
  readonly options: D;
  /** Given by studies of the user's tensors: the inputs where none are named; see {@link parseInput} for their notation. */
  readonly inputs?: readonly string[];
  readonly columns: readonly Column[];
  /** Cases take long and go on from their saved state: on the command line `--checkpoint FOLDER` gives {@link StudyContext.store}. */
  readonly resumable?: boolean;
  /** A live curve on a terminal, from the rows given to `watch`: names of three columns. */
  readonly live?: { readonly x: string; readonly y: string; readonly series: string };
  /** The cases of a run, always in the same order. `inputs` is empty for studies without. */
  cases(options: OptionValues<D>, inputs: readonly string[]): readonly C[];
  /** Rows of one case. The same options give the same rows on every machine. */
  run(studyCase: C, options: OptionValues<D>, context: StudyContext): Promise<readonly Row[]>;
  /** What all rows together say; rows come in the order of the cases. */
  present(rows: readonly Row[], options: OptionValues<D>): Presentation;
}

/** A study, its types erased: what the registry, the command line and the page know. */
export type Study = StudyDefinition<OptionDeclarations, StudyCase>;

/** Checks the types of a study's parts against each other, and erases them. */
export function defineStudy<const D extends OptionDeclarations, C extends StudyCase>(
  definition: StudyDefinition<D, C>,
): Study {
  return definition as unknown as Study;
}
