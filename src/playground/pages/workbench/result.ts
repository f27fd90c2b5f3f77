import type { ResolvedSpec } from '../../../specs/types.ts';
import type { Checked } from '../../services/compute-worker.ts';
import type { AdapterReport } from '../../services/gpu-worker.ts';
import { facts, notice, table } from '../../ui/blocks.ts';
import { differenceFigure } from '../../ui/difference-figure.ts';
import { type Child, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { medianOf } from './messages.ts';
import type { BenchResult } from './worker.ts';

/** A run of the workbench with all that is shown of it. */
export interface BenchOutcome {
  readonly spec: ResolvedSpec;
  readonly label: string;
  readonly result: BenchResult;
  readonly checked: Checked;
  readonly adapter: AdapterReport | undefined;
  /** Paths of the shaders that were changed. */
  readonly edited: readonly string[];
}

const milliseconds = (time: number) => `${time.toFixed(time < 10 ? 2 : 1)} ms`;

/** Verdict, times, differing elements and maps. */
export function resultView(outcome: BenchOutcome, link: string): Child[] {
  const { result, checked } = outcome;
  const { comparison } = checked;
  const differing = comparison?.tensors.filter(({ status }) => status !== 'equal') ?? [];
  return [
    comparison?.equal === true
      ? notice(
          'good',
          h(
            'p',
            {},
            h('strong', {}, `All ${comparison.elements.toLocaleString('en')} elements have the reference’s bits.`),
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
              `${comparison?.mismatches.toLocaleString('en')} of ${comparison?.elements.toLocaleString('en')} elements differ from the reference.`,
            ),
          ),
        ),
    timeFacts(outcome),
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
    exportBar(exportOf(outcome), link),
    h('p', { class: 'small quiet' }, `Dispatched: ${result.dispatched.join('; ')}.`),
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

function exportOf({ label, result, checked, adapter, edited }: BenchOutcome) {
  return {
    name: 'fp8lab-workbench',
    command: `npx fp8lab parity ${label} --backends webgpu:chromium`,
    json: () => ({
      spec: label,
      edited,
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
