import type { Cell, Column, Row } from './study.ts';

/** What a run was: enough to make it again. Stands in front of the rows of a CSV and in the JSON. */
export interface RunRecord {
  readonly study: string;
  /** The command that makes the same numbers. */
  readonly command: string;
  /** Version of fp8lab. */
  readonly version: string;
  /** Every option, those left at their defaults too. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  /** What a reader must know of the inputs: samples, values left out. */
  readonly notes: readonly string[];
}

/** Rows as CSV (RFC 4180, with lines of `#` in front that most readers skip: pandas with comment='#'). Numbers have every digit. */
export function csvOf(record: RunRecord, columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [
    `# ${record.command}`,
    `# fp8lab ${record.version}, options ${JSON.stringify(record.options)}`,
    ...record.notes.map((note) => `# ${note}`),
    columns.map(({ name }) => name).join(','),
    ...rows.map((row) => columns.map(({ name }) => field(row[name])).join(',')),
  ];
  return `${lines.map((line) => line.replace(/[\r\n]+/g, ' ')).join('\n')}\n`;
}

function field(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '';
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
