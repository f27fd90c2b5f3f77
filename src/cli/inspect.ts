import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { inspectCheckpoint, type SchemeReport, type TensorReport } from '../checkpoint/inspect.ts';
import { createPool, defaultWorkers, mostWorkers } from '../checkpoint/pool.ts';
import { exitCodes } from '../errors.ts';
import { shortName } from '../tensors/header.ts';
import type { Io } from './io.ts';
import { parseCount } from './part.ts';
import { startProgress } from './progress.ts';
import { schemeOf } from './scheme.ts';
import { table } from './table.ts';

/** Options of `fp8lab inspect FILE|FOLDER`. */
export interface InspectOptions {
  readonly path: string;
  /** Scheme presets, or JSON files of schemes, to try; the usual ones for weights where none is given. */
  readonly schemes?: readonly string[];
  /** Elements looked at in each tensor, about; 0 for all. Default 1048576. */
  readonly sample?: string | number;
  readonly workers?: string | number;
  readonly json?: boolean;
}

/** Schemes that `inspect` tries: one of each kind that weights are published in. */
export const usualSchemes = [
  'weight-128x128',
  'weight-128x128-pow2',
  'per-token',
  'per-tensor',
  'mxfp8',
  'mxfp6-e2m3',
  'mxfp4',
  'nvfp4',
];

const defaultSample = 2 ** 20;

/** Prints what is in a file or checkpoint and what quantizing it would do. */
export async function inspectCommand(options: InspectOptions, io: Io): Promise<number> {
  const names = options.schemes?.length ? options.schemes : usualSchemes;
  const candidates = await Promise.all(names.map((name) => schemeOf(name, '--schemes')));
  const sample = parseCount(options.sample ?? defaultSample, '--sample', 0);
  const workers =
    options.workers === undefined ? defaultWorkers() : parseCount(options.workers, '--workers', 0, mostWorkers);
  const checkpoint = await openCheckpoint(options.path);
  const pool = createPool(workers, io.signal);
  const started = performance.now();
  let bar: ReturnType<typeof startProgress> | undefined;
  let done = 0;
  try {
    const tensors = await inspectCheckpoint(checkpoint, candidates, sample, pool, ({ name }) => {
      if (performance.now() - started > 1000) bar ??= startProgress(io, 'tensors', checkpoint.tensors.size);
      bar?.update(++done, shortName(name));
    });
    bar?.stop();
    const json = {
      schemaVersion: 1,
      path: options.path,
      sample,
      schemes: candidates.map(({ name }) => name),
      tensors: tensors.map(printable),
    };
    io.stdout(options.json ? `${JSON.stringify(json, null, 2)}\n` : textReport(tensors));
  } finally {
    bar?.stop();
    await pool.close();
  }
  return exitCodes.ok;
}

/** JSON has no Inf and NaN: they stand as text. */
function printable(report: TensorReport): unknown {
  if (report.amax === undefined || Number.isFinite(report.amax)) return report;
  return { ...report, amax: String(report.amax) };
}

function textReport(tensors: readonly TensorReport[]): string {
  const head = ['tensor', 'dtype', 'shape', 'amax', 'nan+inf', 'best scheme', 'SQNR dB', 'saturated', 'underflowed'];
  const sampledCount = tensors.filter(isSampled).length;
  const notes = sampledCount > 0 ? `${sampledCount} tensors were sampled; --sample 0 looks at every element\n` : '';
  return `${table([head, ...tensors.map(textRow)])}\n${notes}${schemeTable(tensors)}`;
}

const isSampled = ({ measured, shape }: TensorReport): boolean =>
  measured !== undefined && measured < shape.reduce((product, extent) => product * extent, 1);

function textRow({ name, dtype, shape, amax, nan = 0, inf = 0, schemes, best }: TensorReport): readonly string[] {
  const basics = [shortName(name).slice(1, -1), dtype, shape.join('x') || 'scalar'];
  const chosen = schemes?.find(({ scheme }) => scheme === best);
  if (amax === undefined || chosen === undefined) return basics;
  return [...basics, amax.toPrecision(4), String(nan + inf), chosen.scheme, ...numbers(chosen)];
}

const numbers = ({ sqnr, saturated, underflowed }: SchemeReport): string[] => [
  sqnr === null ? 'exact' : sqnr.toFixed(2),
  percent(saturated),
  percent(underflowed),
];

const percent = (share: number): string => (share === 0 ? '0' : `${Number((100 * share).toPrecision(2))} %`);

/** Each scheme over all tensors: the least and the median SQNR, the largest shares. */
function schemeTable(tensors: readonly TensorReport[]): string {
  const measured = tensors.flatMap(({ schemes }) => schemes ?? []);
  const names = Array.from(new Set(measured.map(({ scheme }) => scheme)));
  if (names.length === 0) return '';
  const rows = names.map((name) => {
    const reports = measured.filter(({ scheme }) => scheme === name);
    const values = reports.flatMap(({ sqnr }) => (sqnr === null ? [] : [sqnr])).sort((a, b) => a - b);
    const decibels = (at: number): string => values[at]?.toFixed(2) ?? 'exact';
    const most = (share: (report: SchemeReport) => number): string => percent(Math.max(...reports.map(share)));
    return [
      name,
      reports[0]!.bits.toFixed(3),
      decibels(0),
      decibels(values.length >> 1),
      most((report) => report.saturated),
      most((report) => report.underflowed),
      most((report) => report.lost),
    ];
  });
  const head = ['scheme', 'bits', 'least dB', 'median dB', 'most saturated', 'most underflowed', 'most NaN'];
  return `\n${table([head, ...rows])}`;
}
