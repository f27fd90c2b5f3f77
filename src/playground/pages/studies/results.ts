import { inputError } from '../../../errors.ts';
import type { AnyOptionValues } from '../../../studies/options.ts';
import type { Cell, Column, Row, Study } from '../../../studies/study.ts';

/** Longest file of results that is read, in characters. */
export const resultLimit = 16 * 2 ** 20;

/** What a file of results says of itself. */
export interface StoredResults {
  readonly study: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Cells by the column's name, as text: a study's columns say what they are. */
  readonly rows: readonly Readonly<Record<string, string | number | null>>[];
}

const bad = (message: string, where: string): Error =>
  inputError(message, 'bad-results', where, 'give a CSV or the JSON that `fp8lab study` wrote');

/** Reads what `fp8lab study` wrote, its CSV or its JSON. Refuses anything else. */
export function readResults(text: string, name: string): StoredResults {
  if (text.length > resultLimit) throw bad(`the file is longer than ${resultLimit / 2 ** 20} MiB`, name);
  return text.trimStart().startsWith('{') ? readJson(text, name) : readCsv(text, name);
}

function readJson(text: string, name: string): StoredResults {
  let json: { study?: unknown; options?: unknown; rows?: unknown; complete?: unknown } | null;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw bad(`not valid JSON: ${(error as Error).message}`, name);
  }
  const isRow = (row: unknown) => typeof row === 'object' && row !== null && !Array.isArray(row);
  if (typeof json?.study !== 'string' || !Array.isArray(json.rows) || !json.rows.every(isRow)) {
    throw bad('the JSON has no study with rows', name);
  }
  const options = isRow(json.options) ? (json.options as Record<string, unknown>) : {};
  return { study: json.study, options, rows: json.rows };
}

function readCsv(text: string, name: string): StoredResults {
  const lines = text.split(/\r?\n/);
  const notes = lines.filter((line) => line.startsWith('#'));
  const study = /\bstudy ([a-z][a-z-]*)/.exec(notes[0] ?? '')?.[1];
  if (study === undefined) throw bad('the first line does not name a study', `${name}, line 1`);
  const record = /options (\{.*\})\s*$/.exec(notes[1] ?? '')?.[1];
  let options: Record<string, unknown> = {};
  try {
    options = JSON.parse(record ?? '{}') as Record<string, unknown>;
  } catch {
    throw bad('the options of the run cannot be read', `${name}, line 2`);
  }
  const [heads, ...cells] = lines.filter((line) => line !== '' && !line.startsWith('#')).map(splitCsv);
  if (heads === undefined || cells.length === 0) throw bad('the file has no rows', name);
  const uneven = cells.findIndex((row) => row.length !== heads.length);
  if (uneven >= 0) throw bad(`row ${uneven + 1} has ${cells[uneven]!.length} cells, the head ${heads.length}`, name);
  return { study, options, rows: cells.map((row) => Object.fromEntries(heads.map((head, i) => [head, row[i]!]))) };
}

/** Cells of a line (RFC 4180; a cell holds no line break, as fp8lab writes none). */
export function splitCsv(line: string): string[] {
  return Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), ([, quoted, plain]) =>
    quoted === undefined ? plain! : quoted.replaceAll('""', '"'),
  );
}

/** Rows with the study's own columns and types. */
export function typedRows(study: Pick<Study, 'columns' | 'name'>, { rows }: StoredResults, where: string): Row[] {
  return rows.map((row, i) =>
    Object.fromEntries(
      study.columns.map((column) => {
        const given = row[column.name];
        if (given === undefined) throw bad(`row ${i + 1} has no ${column.name}`, where);
        return [column.name, cellOf(column, given, `${where}, row ${i + 1}`)];
      }),
    ),
  );
}

function cellOf({ name, format }: Column, given: string | number | null, where: string): Cell {
  if (given === '' || given === null) return null;
  if (format === 'text') return String(given);
  const value = Number(given);
  if (Number.isNaN(value)) throw bad(`${name} is ${JSON.stringify(given)}, not a number`, where);
  return value;
}

/** Options of a page's run: smaller than the command's, so that a tab is done in seconds. */
export const quickOptions: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  promotion: {
    outputs: 8,
    k: [128, 256, 512, 1024, 2048, 4096],
    intervals: [32, 128, 512],
    data: ['positive', 'zero-mean'],
  },
  granularity: { rows: 256, columns: 512 },
  'double-quantization': { rows: 256, columns: 512 },
  formats: { rows: 128, columns: 512 },
};

/** The command that runs a study with these options; those at their defaults are left out. */
export function studyCommand(study: Study, options: AnyOptionValues): string {
  const flags = Object.entries(study.options).flatMap(([name, option]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const value = options[name];
    if (option.kind === 'flag') return value === true ? [flag] : [];
    return String(value) === String(option.default) ? [] : [`${flag} ${String(value)}`];
  });
  return ['npx fp8lab study', study.name, ...flags].join(' ');
}
