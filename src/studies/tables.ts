import type { Cell, Column, Row, StudyTable } from './study.ts';
import { numberText } from './ticks.ts';

/** A cell as a reader sees it. */
export function cellText({ format, unit }: Pick<Column, 'format' | 'unit'>, cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return unit === 'dB' ? 'no noise' : '-';
  if (typeof cell === 'string') return cell;
  switch (format) {
    case 'text':
      return String(cell);
    case 'integer':
      return cell.toLocaleString('en-US');
    case 'decimal':
      return cell.toFixed(unit === 'dB' ? 2 : 3);
    case 'percent':
      return cell === 0 ? '0' : `${numberText(Number((100 * cell).toPrecision(3)))} %`;
    case 'scientific':
      return cell === 0 ? '0' : cell.toExponential(2);
  }
}

const head = ({ label, unit }: Column): string => (unit === undefined ? label : `${label} ${unit}`);

/** Rows under some of their columns, in that order. */
export function tableOf(
  title: string,
  columns: readonly Column[],
  names: readonly string[],
  rows: readonly Row[],
): StudyTable {
  const chosen = names.map((name) => columnOf(columns, name));
  return {
    title,
    heads: chosen.map(head),
    rows: rows.map((row) => chosen.map((column) => cellText(column, row[column.name]))),
  };
}

/** A column by its name; a study that names one it does not have is wrong. */
export function columnOf(columns: readonly Column[], name: string): Column {
  const column = columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`a study names the column ${name}, which it does not have`);
  return column;
}

/**
 * One value of the rows, spread out: a line for every value of `down`, a column for every value of `across`, both in the order of their first
 * appearance.
 */
export function pivot(
  title: string,
  columns: readonly Column[],
  { down, across, value }: { readonly down: string; readonly across: string; readonly value: string },
  rows: readonly Row[],
): StudyTable {
  const lines = distinct(rows, down);
  const heads = distinct(rows, across);
  const column = columnOf(columns, value);
  const cells = new Map(rows.map((row) => [`${row[down]}\n${row[across]}`, row[value]]));
  return {
    title,
    heads: [head(columnOf(columns, down)), ...heads.map((name) => cellText(columnOf(columns, across), name))],
    rows: lines.map((line) => [
      cellText(columnOf(columns, down), line),
      ...heads.map((name) => cellText(column, cells.get(`${line}\n${name}`))),
    ]),
  };
}

/** The values of a column, each once, in the order of their first appearance. */
export function distinct(rows: readonly Row[], name: string): Cell[] {
  return Array.from(new Set(rows.map((row) => row[name] ?? null)));
}

/** The number in a cell; NaN where there is none. */
export function numberOf(cell: Cell | undefined): number {
  return typeof cell === 'number' ? cell : Number.NaN;
}
