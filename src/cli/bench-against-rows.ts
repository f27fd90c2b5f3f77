import type { AgainstTimes } from '../backends/webgpu/peers/against.ts';
import { peerPackages } from '../backends/webgpu/peers/peer.ts';
import type { Spread } from '../backends/webgpu/timing.ts';
import type { Chart } from '../studies/chart.ts';
import type { Column, Row } from '../studies/study.ts';
import { fileName } from './bench-parts.ts';

/** What `bench --against --out` writes, a row a spec and library. Times in milliseconds. */
export const againstColumns: readonly Column[] = [
  { name: 'spec', label: 'spec', format: 'text' },
  { name: 'library', label: 'library', format: 'text' },
  { name: 'version', label: 'version', format: 'text' },
  { name: 'median', label: 'median', unit: 'ms', format: 'decimal' },
  { name: 'least', label: 'least', unit: 'ms', format: 'decimal' },
  { name: 'most', label: 'most', unit: 'ms', format: 'decimal' },
  { name: 'times_ours', label: 'times ours', format: 'decimal' },
];

/** Rows of a spec. `versions` by package, fp8lab's own among them. */
export function againstRows(
  spec: string,
  { ours, peers }: AgainstTimes,
  versions: Readonly<Record<string, string>>,
): Row[] {
  const row = (library: string, version: string, time: Spread): Row => ({
    spec,
    library,
    version,
    median: time.median,
    least: time.min,
    most: time.max,
    times_ours: time.median / ours.median,
  });
  return [
    row('fp8lab', versions.fp8lab!, ours),
    ...peers.map(({ name, time }) => row(name, versions[peerPackages[name].at(-1)!]!, time)),
  ];
}

/** A chart a spec, a bar a library. */
export function againstCharts(rows: readonly Row[], adapter: string, software: boolean): Chart[] {
  const note = software ? `${adapter}: a CPU plays the GPU, these are no GPU times` : adapter;
  return [...new Set(rows.map(({ spec }) => String(spec)))].map((spec) => {
    const points = rows
      .filter((row) => row.spec === spec)
      .map(({ library, median }) => ({ x: String(library), y: median as number }));
    return {
      name: `bench-against-${fileName(spec)}`,
      title: `${spec}: the same work by other libraries on WebGPU`,
      subtitle: `${note}; median, on one page, in turn`,
      kind: 'bars',
      x: { label: 'library', scale: 'category' },
      y: { label: 'time', unit: 'ms', scale: 'linear' },
      panels: [{ title: '', series: [{ name: '', points }] }],
    };
  });
}
