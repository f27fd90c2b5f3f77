import type * as PlotModule from '@observablehq/plot';
import type { WhyQuestion } from '../../../simulate/names.ts';
import { curvesOf, sharesOfBest, type WhyData, type WhyPoint } from '../../../simulate/why-curves.ts';
import { WorkerClient } from '../../services/rpc.ts';
import { errorNotice, panel, table } from '../../ui/blocks.ts';
import { type Chart, chart } from '../../ui/chart.ts';
import { button, segmented } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { figure } from '../../ui/heat-map.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { kindColour } from './timeline.ts';
import { whyCommandOf } from './view.ts';
import type { DeploymentJobs } from './worker.ts';

type Plot = typeof PlotModule;

/** What a why panel is given. */
export interface WhyPanelOptions {
  readonly signal: AbortSignal;
  readonly start: () => Worker;
  readonly onQuestion: (question: WhyQuestion) => void;
  readonly link: () => string;
  readonly say: (text: string) => void;
}

const words: Readonly<Record<WhyQuestion, string>> = {
  '20-sms': 'Why 20 SMs',
  'two-micro-batches': 'Why two micro-batches',
  '32-redundant': 'Why 32 redundant experts',
};

const colours = ['var(--accent)', 'var(--sign)', 'var(--ink-2)'];

/** The three questions, answered by sweeps that run beside the page. */
export function whyPanel(options: WhyPanelOptions): { element: HTMLElement; show: (question: WhyQuestion) => void } {
  const worker = new WorkerClient<DeploymentJobs>('the sweep', options.start);
  options.signal.addEventListener('abort', () => worker.end());
  let question: WhyQuestion = '20-sms';
  let data: WhyData | undefined;
  const picker = segmented({
    label: 'Question',
    choices: Object.entries(words) as [WhyQuestion, string][],
    onChange: options.onQuestion,
  });
  const progress = task(options.signal);
  const message = h('div', {});
  const outcome = h('div', { class: 'stack', id: 'why-outcome' });
  const run = button('Work it out', () => void answer(), { kind: 'primary', id: 'why-run' });

  const answer = async () => {
    const asked = question;
    fill(message);
    run.disabled = true;
    const signal = progress.begin('Simulating the first step …');
    try {
      data = await worker.call('why', asked, {
        signal,
        onProgress: (told) =>
          told && progress.progress(told.done / told.of, `${told.done} of ${told.of} steps simulated`),
      });
      show(question);
      options.say(data.answer);
    } catch (error) {
      if (!isInterrupted(error)) fill(message, errorNotice(error));
    } finally {
      progress.end();
      run.disabled = false;
    }
  };

  function show(next: WhyQuestion): void {
    question = next;
    picker.show(next);
    if (data === undefined || data.question !== next) {
      delete outcome.dataset.question;
      fill(outcome);
      return;
    }
    if (outcome.dataset.question === next) return;
    outcome.dataset.question = next;
    const charts = chartsOf(data);
    const { answer: said, columns, rows, points } = data;
    const exports = h('div', {});
    // The bar offers a picture once there is one.
    void Promise.all(charts.map(({ drawn }) => drawn)).then(() => {
      fill(
        exports,
        exportBar(
          {
            name: `fp8lab-why-${next}`,
            command: whyCommandOf(next),
            json: () => ({ question: next, answer: said, columns, rows, points }),
            csv: () => [columns, ...rows],
            picture: () => charts[0]!.chart.svg(),
          },
          options.link,
        ),
      );
    });
    fill(
      outcome,
      h('p', { class: 'answer' }, said),
      charts.map(({ title, chart: { element } }) => figure(title, element)),
      legend(data),
      table(
        words[next],
        columns.map((head, i) => ({ head, text: i === 0 || head === 'bottleneck' })),
        rows,
      ),
      exports,
    );
  }

  return {
    element: panel(
      'Why so?',
      h(
        'p',
        { class: 'quiet' },
        'Three choices of DeepSeek-V3, swept on H800 nodes: every point is a step simulated here, with the bottleneck that it names.',
      ),
      picker.element,
      h('div', { class: 'row' }, run),
      progress.element,
      message,
      outcome,
    ),
    show,
  };
}

interface Titled {
  readonly title: string;
  readonly chart: Chart;
  readonly drawn: Promise<void>;
}

function chartsOf(data: WhyData): Titled[] {
  if (data.question === 'two-micro-batches') return [pathChart(data)];
  if (data.question === '20-sms') {
    const shares = sharesOfBest(data.points);
    const label = 'SMs for communication';
    return [
      lineChart(data, 'Throughput, of the best of each line', label, (_, i) => shares[i]!),
      lineChart(data, 'How busy the all-to-all is', label, ({ result }) => result.utilization.commMean),
    ];
  }
  const label = 'redundant experts a layer';
  return [
    lineChart(data, 'Tokens/s a node', label, ({ result }) => result.tokensPerSecondPerNode),
    lineChart(data, 'Rows of the busiest GPU over the mean', label, ({ result }) => result.imbalance),
  ];
}

/** A figure of each point, a line a curve; each line has a sign of its own beside its colour. */
function lineChart(
  { points, answer }: WhyData,
  title: string,
  label: string,
  of: (point: WhyPoint, index: number) => number,
): Titled {
  const names = Array.from(curvesOf(points).keys());
  const rows = points.map((point, i) => ({ ...point, y: of(point, i) }));
  const shown = chart();
  const drawn = shown.show(`${title}. ${answer}`, (plot: Plot) => ({
    height: 240,
    x: { label, nice: true },
    y: { label: null, grid: true, zero: true, nice: true, tickFormat: 's' },
    color: { domain: names, range: colours },
    symbol: { domain: names, range: ['circle', 'triangle', 'square'] },
    marks: [
      plot.line(rows, { x: 'value', y: 'y', stroke: 'curve', strokeWidth: 2 }),
      plot.dot(rows, { x: 'value', y: 'y', fill: 'curve', symbol: 'curve', r: 4 }),
      plot.ruleY([0], { stroke: 'var(--ink-2)' }),
    ],
  }));
  return { title, chart: shown, drawn };
}

/** Where the step's time goes with one and with two, against one micro-batch. */
function pathChart({ points, answer }: WhyData): Titled {
  const rows = Array.from(curvesOf(points)).flatMap(([curve, own]) =>
    own.flatMap(({ value, result }) =>
      result.criticalPath
        .filter(([, seconds]) => seconds > 0)
        .map(([kind, seconds]) => ({
          row: `${curve} · ${value}`,
          kind: kind.replace(/:.*/, ''),
          share: seconds / own[0]!.result.seconds,
        })),
    ),
  );
  const kinds = Array.from(new Set(rows.map(({ kind }) => kind)));
  const shown = chart();
  const drawn = shown.show(`What decides the step. ${answer}`, (plot: Plot) => ({
    height: 300,
    marginLeft: 130,
    marginBottom: 44,
    x: { label: 'of the step with one micro-batch', grid: true, nice: true },
    y: { label: null, tickSize: 0, padding: 0.25, domain: Array.from(new Set(rows.map(({ row }) => row))) },
    marks: [
      plot.barX(
        rows,
        plot.stackX({
          order: kinds,
          y: 'row',
          x: 'share',
          z: 'kind',
          fill: ({ kind }: { kind: string }) => kindColour(kind),
          stroke: 'var(--surface)',
          title: ({ kind, share }: { kind: string; share: number }) => `${kind}: ${(100 * share).toFixed(1)} %`,
        }),
      ),
    ],
  }));
  return {
    title: 'The chain of operations that decides the step, with one micro-batch and with two',
    chart: shown,
    drawn,
  };
}

function legend({ question, points }: WhyData): HTMLElement {
  const names =
    question === 'two-micro-batches'
      ? Array.from(
          new Set(
            points.flatMap(({ result }) =>
              result.criticalPath.filter(([, time]) => time > 0).map(([kind]) => kind.replace(/:.*/, '')),
            ),
          ),
          (kind) => [kind, kindColour(kind)] as const,
        )
      : Array.from(curvesOf(points).keys(), (curve, i) => [`${'●▲■'[i]} ${curve}`, colours[i]!] as const);
  return h(
    'div',
    { class: 'keys small' },
    names.map(([name, colour]) =>
      h('span', { class: 'key' }, h('span', { class: 'swatch', style: { background: colour } }), name),
    ),
  );
}
