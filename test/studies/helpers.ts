import { studyOf } from '../../src/studies/index.ts';
import { readOptions } from '../../src/studies/options.ts';
import { runStudy } from '../../src/studies/run.ts';
import type { Row } from '../../src/studies/study.ts';

/** Rows of a study with some options given, the rest at their defaults. */
export async function rowsOf(
  name: string,
  given: Readonly<Record<string, unknown>> = {},
  inputs?: readonly string[],
): Promise<readonly Row[]> {
  const study = studyOf(name);
  return runStudy(study, { options: readOptions(study.options, given), ...(inputs && { inputs }) });
}

/** The one row with these cells. */
export function rowWhere(rows: readonly Row[], cells: Row): Row {
  const found = rows.filter((row) => Object.entries(cells).every(([name, value]) => row[name] === value));
  if (found.length !== 1) throw new Error(`${found.length} rows with ${JSON.stringify(cells)}`);
  return found[0]!;
}

/** A number of a row. */
export function numberIn(row: Row, name: string): number {
  const value = row[name];
  if (typeof value !== 'number') throw new Error(`${name} is ${String(value)}, not a number`);
  return value;
}

/** Gaussian values by Box and Muller's transform of a small generator: other data than the product's own. */
export function gaussians(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x45d9f3b);
    x ^= x >>> 16;
    return ((x >>> 0) + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()));
}
