import type { ShaderSources } from '../../../backends/webgpu/link.ts';
import type { ResolvedSpec } from '../../../specs/types.ts';
import type { Checked } from '../../services/compute-worker.ts';
import type { AdapterReport } from '../../services/gpu-worker.ts';
import { facts, notice, table } from '../../ui/blocks.ts';
import { differenceFigure } from '../../ui/difference-figure.ts';
import { type Child, h, s } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { pageLink } from '../../ui/links.ts';
import { medianOf } from './messages.ts';
import type { BenchResult } from './worker.ts';

/** A run of the workbench with all that is shown of it. */
export interface BenchOutcome {
  readonly spec: ResolvedSpec;
  readonly label: string;
  readonly result: BenchResult;
  readonly checked: Checked;
  readonly adapter: AdapterReport | undefined;
  /** The shaders that were changed, by path. */
  readonly edited: ShaderSources;
}

const milliseconds = (time: number) => `${time.toFixed(time < 10 ? 2 : 1)} ms`;

/** Verdict, times, differing elements and maps. */
export function resultView(outcome: BenchOutcome, link: string): Child[] {
  const { result, checked } = outcome;
  const { comparison } = checked;
  const times = timeStrip(result.times);
  const differing = comparison?.tensors.filter(({ status }) => status !== 'equal') ?? [];
  return [
    comparison?.equal === true
      ? notice(
          'good',
          h(
            'p',
            {},
            h(
              'strong',
              {},
              `${outcome.label}: all ${comparison.elements.toLocaleString('en')} elements have the reference’s bits.`,
            ),
          ),
        )
      : notice(
          'bad',
          h(
            'p',
            {},
            h(
              'strong',
              {},
              `${outcome.label}: ${comparison?.mismatches.toLocaleString('en')} of ${comparison?.elements.toLocaleString('en')} elements differ from the reference.`,
            ),
          ),
        ),
    timeFacts(outcome),
    times,
    differing.map(({ name, worst = [] }) =>
      table(
        `Elements of ${name} that are furthest off`,
        [
          { head: `${name} at`, text: true },
          { head: 'reference' },
          { head: 'its bits' },
          { head: 'this shader' },
          { head: 'its bits' },
          { head: 'ULP' },
        ],
        worst
          .slice(0, 8)
          .map(({ coordinates, expected, actual, ulps }) => [
            `[${coordinates.join(', ')}]`,
            expected.value,
            h('span', { class: 'mono' }, expected.code),
            actual.value,
            h('span', { class: 'mono' }, actual.code),
            ulps ?? 'NaN',
          ]),
      ),
    ),
    differing.length > 0 &&
      h(
        'div',
        { class: 'columns maps' },
        checked.maps
          .filter(({ name }) => differing.some((tensor) => tensor.name === name))
          .map((map) => differenceFigure(map)),
      ),
    exportBar(exportOf(outcome, times), () => link),
    h('p', { class: 'small quiet' }, `Dispatched: ${result.dispatched.join('; ')}.`),
    h('p', { class: 'small' }, pageLink('This spec, and each element worked out', 'parity', { spec: outcome.label })),
  ];
}

function timeFacts({ result, adapter }: BenchOutcome): HTMLElement {
  const { first, times } = result;
  return facts([
    ['Median', h('span', { id: 'bench-median' }, milliseconds(medianOf(times)))],
    ['Shortest to longest', `${milliseconds(Math.min(...times))} to ${milliseconds(Math.max(...times))}`],
    ['Runs', `${times.length} after one of ${milliseconds(first)}`],
    ['Measured', 'wall clock, upload to read-back'],
    [
      'Adapter',
      adapter === undefined
        ? 'unknown'
        : `${adapter.name}${adapter.adapter.software ? ', software: no word on GPUs' : ''}`,
    ],
  ]);
}

/** Width and height of the strip of times. */
const strip = { width: 720, height: 84 } as const;

/** Every timed run as a stroke on a line of milliseconds, the median as a taller one with its number. */
export function timeStrip(times: readonly number[]): SVGSVGElement {
  const [low, high] = [Math.min(...times), Math.max(...times)];
  const place = (time: number) => 24 + ((strip.width - 48) * (time - low)) / (high - low || 1);
  const median = medianOf(times);
  const stroke = (time: number, y1: number, colour: string, wide: number) =>
    s('line', { x1: place(time), x2: place(time), y1, y2: 52, stroke: colour, 'stroke-width': wide });
  const word = (time: number, y: number, anchor: string, text: string) =>
    s('text', { x: place(time), y, 'text-anchor': anchor, 'font-size': 13, fill: 'var(--ink-2)' }, text);
  return s(
    'svg',
    {
      viewBox: `0 0 ${strip.width} ${strip.height}`,
      role: 'img',
      class: 'times',
      'aria-label': `${times.length} runs from ${milliseconds(low)} to ${milliseconds(high)}, median ${milliseconds(median)}`,
    },
    s('line', { x1: 12, x2: strip.width - 12, y1: 52, y2: 52, stroke: 'var(--line-strong)' }),
    times.map((time) => stroke(time, 34, 'var(--accent)', 2)),
    stroke(median, 22, 'var(--sign)', 3),
    word(median, 14, 'middle', `median ${milliseconds(median)}`),
    word(low, 74, 'start', milliseconds(low)),
    high > low && word(high, 74, 'end', milliseconds(high)),
  );
}

const fileName = (path: string) => `${path.replaceAll('/', '-')}.wgsl`;

/** The command that runs the spec with the shaders that were run here; changed ones are files beside it. */
export function benchCommand(label: string, edited: ShaderSources): string {
  const shaders = Object.keys(edited).map((path) => `--shader ${path}=${fileName(path)}`);
  return ['npx fp8lab parity', label, '--backends webgpu:chromium', ...shaders].join(' ');
}

function exportOf({ label, result, checked, adapter, edited }: BenchOutcome, picture: SVGSVGElement) {
  return {
    name: 'fp8lab-workbench',
    command: benchCommand(label, edited),
    files: Object.entries(edited).map(([path, text]) => ({ name: fileName(path), text })),
    picture: () => picture,
    json: () => ({
      spec: label,
      shaders: edited,
      comparison: checked.comparison ?? null,
      adapter: adapter?.name ?? null,
      software: adapter?.adapter.software ?? null,
      timer: 'wall clock, upload to read-back',
      first: result.first,
      times: result.times,
    }),
    csv: () => [['run', 'ms'], ['first', result.first], ...result.times.map((time, i) => [i + 1, time])],
  };
}
