import type { ChartPanel } from './chart.ts';
import type { Row } from './study.ts';
import { distinct, numberOf } from './tables.ts';

/** Inputs that one chart can show side by side. */
const mostPanels = 3;

/** Generated matrices of studies that take the user's tensors. */
export const matrixOptions = {
  rows: { kind: 'integer', least: 16, most: 16384, default: 512, text: 'rows (tokens) of generated inputs' },
  columns: { kind: 'integer', least: 32, most: 16384, default: 1024, text: 'columns (channels) of generated inputs' },
} as const;

/** Data of three kinds: ordinary, with outlier channels as activations have, with outlier tokens as gradients have. */
export const usualInputs = ['normal', 'outlier-channels', 'outlier-tokens'] as const;

/** A name cut to its end, which tells tensors of a model apart. */
export function shortTitle(name: string, most = 30): string {
  return name.length <= most ? name : `…${name.slice(-(most - 1))}`;
}

/**
 * Bars of some columns, a series each, over the categories of `by`; a panel for each of the first inputs. Tables have them all.
 */
export function inputPanels(
  rows: readonly Row[],
  by: string,
  series: readonly (readonly [column: string, name: string])[],
): ChartPanel[] {
  return distinct(rows, 'input')
    .slice(0, mostPanels)
    .map((input) => {
      const mine = rows.filter((row) => row.input === input);
      return {
        title: shortTitle(String(input)),
        series: series.map(([column, name]) => ({
          name,
          points: mine.map((row) => {
            const value = numberOf(row[column]);
            return { x: String(row[by]), y: Number.isNaN(value) ? null : value };
          }),
        })),
      };
    });
}
