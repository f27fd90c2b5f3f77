import { inputError } from '../errors.ts';
import { checkLoads, type ExpertLoads } from './loads.ts';

/**
 * Loads from a CSV text: [step][layer][expert]. Either a row a layer, without a head; or a head that names the columns `layer`, `expert` and `load` (also
 * `count` or `tokens`), perhaps `step`, in any order, and a row an expert; experts that no row names have load 0. Separated by commas, semicolons or tabs.
 * @param where the file, for messages
 */
export function parseLoadsCsv(text: string, where: string): ExpertLoads[] {
  const lines = text.split(/\r?\n/).flatMap((line, at) => (/^\s*(#|$)/.test(line) ? [] : [{ at: at + 1, line }]));
  if (lines.length === 0)
    throw inputError('the file is empty', 'no-loads', where, 'give a row of loads for each layer');
  const rows = lines.map(({ at, line }) => ({ at, cells: line.split(/[,;\t]/).map((cell) => cell.trim()) }));
  const head = rows[0]!.cells.map((cell) => cell.toLowerCase());
  const series = head.some((cell) => /[a-z_]/.test(cell) && Number.isNaN(Number(cell)) && cell !== 'nan')
    ? parseLong(head, rows.slice(1), where)
    : [rows.map(({ at, cells }) => cells.map((cell) => parseNumber(cell, `${where}, line ${at}`)))];
  return checkSeries(series);
}

interface Row {
  readonly at: number;
  readonly cells: readonly string[];
}

function parseNumber(cell: string, where: string): number {
  const value = Number(cell);
  if (cell !== '' && Number.isFinite(value) && value >= 0) return value;
  throw inputError(`the load is "${cell.slice(0, 40)}"`, 'bad-load', where, 'loads are finite numbers of at least 0');
}

function parseLong(head: readonly string[], rows: readonly Row[], where: string): number[][][] {
  const column = (...names: string[]): number => head.findIndex((cell) => names.includes(cell));
  const [step, layer, expert, load] = [
    column('step'),
    column('layer'),
    column('expert'),
    column('load', 'count', 'tokens'),
  ];
  if (layer < 0 || expert < 0 || load < 0) {
    const problem = `the head has the columns ${head.join(', ')}`;
    throw inputError(
      problem,
      'bad-head',
      `${where}, line 1`,
      'name layer, expert and load, or leave the head out and give a row a layer',
    );
  }
  const places = rows.map(({ at, cells }) => {
    const line = `${where}, line ${at}`;
    const place = (index: number): number => (index < 0 ? 0 : parseIndex(cells[index] ?? '', head[index]!, line));
    return {
      step: place(step),
      layer: place(layer),
      expert: place(expert),
      load: parseNumber(cells[load] ?? '', line),
      line,
    };
  });
  const extent = (name: 'step' | 'layer' | 'expert'): number =>
    places.reduce((most, place) => Math.max(most, place[name] + 1), 0);
  const [steps, layers, experts] = [extent('step'), extent('layer'), extent('expert')];
  // A stray index of millions must not ask for the memory of all that lies below it.
  if (steps * layers * experts > 64 * places.length + 65_536) {
    const problem = `${places.length} rows name ${steps} steps, ${layers} layers and ${experts} experts`;
    throw inputError(problem, 'wrong-length', where, 'number steps, layers and experts from 0 without gaps');
  }
  const series = Array.from({ length: steps }, () =>
    Array.from({ length: layers }, () => new Array<number>(experts).fill(0)),
  );
  const seen = new Set<string>();
  for (const { step, layer, expert, load, line } of places) {
    const key = `${step} ${layer} ${expert}`;
    if (seen.has(key))
      throw inputError(
        `step ${step}, layer ${layer}, expert ${expert} comes twice`,
        'duplicate-load',
        line,
        'give each load once',
      );
    seen.add(key);
    series[step]![layer]![expert] = load;
  }
  return series;
}

function parseIndex(cell: string, name: string, where: string): number {
  if (/^\d{1,7}$/.test(cell)) return Number(cell);
  throw inputError(`${name} is "${cell.slice(0, 40)}"`, 'bad-index', where, `number ${name}s from 0`);
}

/** Loads from a JSON text: [layer][expert] or [step][layer][expert], by itself or as the field `loads` of an object. */
export function parseLoadsJson(text: string, where: string): ExpertLoads[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw inputError(
      `this is no JSON: ${(cause as Error).message}`,
      'bad-json',
      where,
      'give arrays of numbers',
      cause,
    );
  }
  const loads = Array.isArray(value) ? value : (value as { loads?: unknown } | null)?.loads;
  const depth = depthOf(loads);
  if (depth !== 2 && depth !== 3) {
    const problem = depth === 0 ? 'there is no array of loads' : `the loads are arrays ${depth} deep`;
    throw inputError(
      problem,
      'bad-shape',
      where,
      'give [layer][expert] or [step][layer][expert], alone or as the field "loads"',
    );
  }
  return checkSeries((depth === 2 ? [loads] : loads) as number[][][]);
}

function depthOf(value: unknown): number {
  return Array.isArray(value) ? 1 + depthOf(value[0]) : 0;
}

/** Every step with the same layers and experts; the error names the step. */
function checkSeries(series: readonly ExpertLoads[]): ExpertLoads[] {
  const layers = series[0]?.length ?? 0;
  let experts: number | undefined;
  series.forEach((loads, step) => {
    if (!Array.isArray(loads) || loads.length !== layers || loads.some((row) => !Array.isArray(row))) {
      const problem = `step ${step} has ${Array.isArray(loads) ? loads.length : 'no'} layers of loads where step 0 has ${layers}`;
      throw inputError(problem, 'wrong-length', `loads[${step}]`, 'give every step the same layers');
    }
    experts = checkLoads(loads, experts);
  });
  if (series.length === 0)
    throw inputError('there are no loads', 'no-loads', 'loads', 'give a row of loads for each layer');
  return [...series];
}

/** A series as CSV with a head, a row an expert: what {@link parseLoadsCsv} reads. */
export function loadsToCsv(series: readonly ExpertLoads[]): string {
  const rows = series.flatMap((loads, step) =>
    loads.flatMap((row, layer) => Array.from(row, (load, expert) => `${step},${layer},${expert},${load}`)),
  );
  return `step,layer,expert,load\n${rows.join('\n')}\n`;
}
