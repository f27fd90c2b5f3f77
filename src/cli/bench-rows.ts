import type { DispatchTime, SpecTimes } from '../backends/webgpu/bench.ts';
import { leastTime } from '../backends/webgpu/timing.ts';
import type { Chart, ChartAxis, ChartSeries } from '../studies/chart.ts';
import type { Column, Row } from '../studies/study.ts';
import { fileName } from './bench-parts.ts';
import type { BackendRun, BenchEntry } from './bench-run.ts';
import type { SweptSpec } from './bench-sweep.ts';

/** What `bench --out` writes, a row a spec and backend. Times in milliseconds. */
export const columns: readonly Column[] = [
  { name: 'spec', label: 'spec', format: 'text' },
  { name: 'varied', label: 'varied', format: 'text' },
  { name: 'value', label: 'value', format: 'integer' },
  { name: 'backend', label: 'backend', format: 'text' },
  { name: 'adapter', label: 'adapter', format: 'text' },
  { name: 'software', label: 'software', format: 'text' },
  { name: 'tier', label: 'tier', format: 'text' },
  { name: 'variants', label: 'variants', format: 'text' },
  { name: 'multiply_adds', label: 'multiply-adds', format: 'integer' },
  { name: 'bytes', label: 'bytes', format: 'integer' },
  { name: 'in_shaders', label: 'in shaders', unit: 'ms', format: 'decimal' },
  { name: 'in_shaders_least', label: 'least', unit: 'ms', format: 'decimal' },
  { name: 'in_shaders_most', label: 'most', unit: 'ms', format: 'decimal' },
  { name: 'by_timestamps', label: 'by timestamps', unit: 'ms', format: 'decimal' },
  { name: 'upload', label: 'upload', unit: 'ms', format: 'decimal' },
  { name: 'readback', label: 'read back', unit: 'ms', format: 'decimal' },
  { name: 'whole', label: 'whole run', unit: 'ms', format: 'decimal' },
  { name: 'first', label: 'first run', unit: 'ms', format: 'decimal' },
  { name: 'compile', label: 'compiling', unit: 'ms', format: 'decimal' },
  { name: 'share_of_multiply_adds', label: 'of peak', format: 'percent' },
  { name: 'share_of_copy', label: 'of copy', format: 'percent' },
];

/** Milliseconds of a plan's dispatches together, by one of their statistics. */
export function inShaders({ dispatches }: SpecTimes, statistic: 'median' | 'min' | 'max' = 'median'): number {
  return dispatches.reduce((sum, { time, count }) => sum + time[statistic] * count, 0);
}

/** Milliseconds of a plan's dispatches together, each at its least, by the clock that rates are made of. */
export function leastInShaders({ dispatches }: SpecTimes): number {
  return dispatches.reduce((sum, dispatch) => sum + leastTime(dispatch) * dispatch.count, 0);
}

/** Medians by the device's timestamps; undefined where a dispatch has none. */
export function byTimestamps({ dispatches }: SpecTimes): number | undefined {
  if (dispatches.some(({ device }) => device === undefined)) return undefined;
  return dispatches.reduce((sum, { device, count }) => sum + device!.median * count, 0);
}

const allBytes = (dispatches: readonly DispatchTime[]): number =>
  dispatches.reduce((sum, { bytes, count }) => sum + bytes * count, 0);

/** Rows of all runs, in their order. */
export function rowsOf(runs: readonly BackendRun[], specs: readonly SweptSpec[]): Row[] {
  const known = new Map(specs.map((spec) => [spec.label, spec]));
  return runs.flatMap(({ identity, entries }) =>
    entries.map((entry) => rowOf(entry, known.get(entry.spec)!, identity.adapter, identity.software)),
  );
}

function rowOf(entry: BenchEntry, { origin, extents, value }: SweptSpec, adapter: string, software: boolean): Row {
  const { times, multiplyAdds, backend, tier } = entry;
  const seconds = leastInShaders(times) / 1000;
  const bytes = allBytes(times.dispatches);
  return {
    spec: origin,
    varied: extents,
    value: extents === '' ? null : value,
    backend,
    adapter,
    software: software ? 'yes: a CPU plays the GPU' : 'no',
    tier,
    variants: times.variants.join(' '),
    multiply_adds: multiplyAdds,
    bytes,
    in_shaders: inShaders(times),
    in_shaders_least: inShaders(times, 'min'),
    in_shaders_most: inShaders(times, 'max'),
    by_timestamps: byTimestamps(times) ?? null,
    upload: times.upload,
    readback: times.readback,
    whole: times.whole.median,
    first: times.first,
    compile: times.compile,
    share_of_multiply_adds: multiplyAdds > 0 ? multiplyAdds / seconds / times.peaks.multiplyAdds : null,
    share_of_copy: bytes / seconds / times.peaks.copyBytes,
  };
}

const milliseconds: ChartAxis = { label: 'time', unit: 'ms', scale: 'log' };

/** Time against work for every sweep; without one, the time of each spec. */
export function chartsOf(rows: readonly Row[]): Chart[] {
  const swept = rows.filter(({ varied }) => varied !== '');
  const charts = [...new Set(swept.map(nameOf))].map((name) => sweepChart(swept.filter((row) => nameOf(row) === name)));
  return swept.length > 0 ? charts : [specChart(rows)];
}

const nameOf = ({ spec, varied }: Row): string => `${spec} ${varied}`;

function subtitleOf(rows: readonly Row[]): string {
  const adapters = [...new Set(rows.map(({ adapter }) => String(adapter)))].join('; ');
  const software = rows.every((row) => row.software !== 'no');
  return software ? `software adapters, no GPU: a CPU plays it (${adapters})` : adapters;
}

/** Series of the backends: their time in shaders and that of whole runs. */
function seriesOf(rows: readonly Row[], x: (row: Row) => number | string): ChartSeries[] {
  return [...new Set(rows.map(({ backend }) => String(backend)))].flatMap((backend) => {
    const own = rows.filter((row) => row.backend === backend);
    const points = (column: string) => own.map((row) => ({ x: x(row), y: row[column] as number }));
    return [
      { name: `${backend}, in shaders`, points: points('in_shaders') },
      { name: `${backend}, whole run`, points: points('whole') },
    ];
  });
}

function sweepChart(rows: readonly Row[]): Chart {
  const { spec, varied, tier, multiply_adds: products } = rows[0]!;
  const byProducts = (products as number) > 0;
  const work = (row: Row): number => (row[byProducts ? 'multiply_adds' : 'bytes'] as number) / (byProducts ? 1e9 : 1e6);
  return {
    name: `bench-${fileName(`${spec}-${varied}`)}`,
    title: `${spec} (${tier}): time against work, ${String(varied).replaceAll(',', ' = ')} varied`,
    subtitle: subtitleOf(rows),
    kind: 'lines',
    x: { label: 'work', unit: byProducts ? 'G multiply-adds' : 'MB moved', scale: 'log' },
    y: milliseconds,
    panels: [{ title: '', series: seriesOf(rows, work) }],
  };
}

function specChart(rows: readonly Row[]): Chart {
  return {
    name: 'bench',
    title: `Time of ${rows[0]!.tier} kernels`,
    subtitle: subtitleOf(rows),
    kind: 'bars',
    x: { label: 'spec', scale: 'category' },
    y: milliseconds,
    panels: [{ title: '', series: seriesOf(rows, ({ spec }) => String(spec)) }],
  };
}
