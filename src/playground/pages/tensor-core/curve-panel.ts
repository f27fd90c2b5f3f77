import type { PageContext } from '../../page.ts';
import { controls, errorNotice, panel } from '../../ui/blocks.ts';
import { chart } from '../../ui/chart.ts';
import { nodeCommand } from '../../ui/command.ts';
import { choice, segmented } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { type CurvePoint, type CurveRequest, type CurveSeries, curveLengths, operandInput } from './curve.ts';

/** Settings of the curve, as the page's state has them. */
export interface CurveSettings {
  readonly promote: number;
  readonly values: 'normal' | 'positive';
}

const marks = ['circle', 'square', 'triangle', 'diamond'] as const;
/** The marks as letters, for the key under a narrow chart. */
const glyphs = ['●', '■', '▲', '◆'] as const;
const colours = ['var(--sign)', 'var(--accent)', 'var(--mantissa)', 'var(--ink-2)'] as const;

function seriesOf(promote: number): CurveSeries[] {
  return [
    { name: 'Hopper, never moved out', model: 'hopper-wgmma-fp8', promoteEvery: 0 },
    { name: `Hopper, every ${promote}`, model: 'hopper-wgmma-fp8', promoteEvery: promote },
    { name: 'Blackwell, never moved out', model: 'blackwell-fp8', promoteEvery: 0 },
    { name: 'f32, one fma a term', model: 'f32-sequential', promoteEvery: 0 },
  ];
}

/** A power of ten as a percentage: `0.01 %`, `10^-6 %`. */
const percentText = (error: number): string => {
  const exponent = Math.round(Math.log10(100 * error));
  return exponent >= -4 ? `${Number((100 * error).toPrecision(3))} %` : `10^${exponent} %`;
};

/** Error against k, measured while one watches. */
export function curvePanel(
  { services, signal, link }: Pick<PageContext<never>, 'services' | 'signal' | 'link'>,
  intervals: readonly number[],
  onChange: (change: Partial<CurveSettings>) => void,
): { element: HTMLElement; update: (promote: number, values: CurveSettings['values']) => void } {
  const interval = choice({
    label: 'Moved to f32 every',
    choices: intervals.map((value) => [String(value), `${value} terms`] as const),
    onChange: (value) => onChange({ promote: Number(value) }),
  });
  const operands = segmented({
    label: 'Operands',
    choices: [
      ['normal', 'normal'],
      ['positive', 'all positive'],
    ] as const,
    onChange: (value) => onChange({ values: value }),
  });
  const picture = chart();
  const key = h('div', { class: 'keys small', 'aria-hidden': 'true' });
  const progress = task(signal);
  const message = h('div', {});
  const exports = h('div', {});
  const element = panel(
    'Error against length, and what promotion does',
    h(
      'p',
      { class: 'quiet' },
      'Dot products of random operands, against the exact sum. Each time the partial sum is moved to an f32 register and started anew (promotion), the cutting starts from small numbers again. Where a line has no point, no sum errs.',
    ),
    controls(interval.element, operands.element),
    progress.element,
    message,
    picture.element,
    key,
    exports,
  );
  element.id = 'curve';
  let asked = '';
  let newest = 0;
  let points: CurvePoint[] = [];

  const draw = (series: readonly CurveSeries[]) => {
    const names = series.map(({ name }) => name);
    const worst = points.filter(({ series: name }) => name === names[0]).at(-1);
    const label = worst
      ? `Error against k: ${names[0]} errs by ${(100 * worst.error).toPrecision(2)} % at k = ${worst.k}`
      : 'Error against k';
    fill(
      key,
      names.map((name, i) =>
        h('span', { class: 'key' }, h('span', { style: { color: colours[i]! } }, glyphs[i]!), name),
      ),
    );
    return picture.show(label, (plot, width) => {
      // On a wide chart the lines carry their names.
      key.hidden = width > 640;
      return {
        height: Math.min(400, Math.max(280, width * 0.42)),
        marginLeft: 58,
        marginRight: width > 640 ? 190 : 20,
        marginBottom: 40,
        x: { type: 'log', base: 2, label: 'k, length of the sum', tickFormat: (k: number) => String(k), grid: false },
        y: { type: 'log', label: 'error over the size of the sum', tickFormat: percentText, grid: true, ticks: 6 },
        color: { domain: names, range: [...colours] },
        symbol: { domain: names, range: [...marks], legend: false },
        marks: [
          plot.line(points, { x: 'k', y: 'error', stroke: 'series', strokeWidth: 2 }),
          plot.dot(points, { x: 'k', y: 'error', stroke: 'series', fill: 'series', symbol: 'series', r: 4 }),
          width > 640
            ? plot.text(
                points,
                plot.selectLast({
                  x: 'k',
                  y: 'error',
                  z: 'series',
                  text: 'series',
                  textAnchor: 'start',
                  dx: 12,
                  fill: 'series',
                  fontSize: 13,
                }),
              )
            : null,
        ],
      };
    });
  };

  const measure = async (request: CurveRequest) => {
    const mine = ++newest;
    const stop = progress.begin('Summing dot products …');
    delete element.dataset.ready;
    fill(message);
    points = [];
    try {
      const found = await services.compute.call('curve', request, {
        signal: stop,
        onProgress: (point) => {
          if (point === undefined || mine !== newest) return;
          progress.progress(point.done / point.total);
        },
      });
      if (mine !== newest || signal.aborted) return;
      points = [...found];
      await draw(request.series);
      fill(
        exports,
        exportBar(
          exportOf(request, points, () => picture.svg()),
          link,
        ),
      );
      element.dataset.ready = 'true';
    } catch (error) {
      if (mine === newest && !isInterrupted(error)) fill(message, errorNotice(error));
    } finally {
      if (mine === newest) progress.end();
    }
  };

  return {
    element,
    update(promote, values) {
      interval.show(String(promote));
      operands.show(values);
      const key = `${promote} ${values}`;
      if (key === asked) return;
      asked = key;
      void measure({ series: seriesOf(promote), values, trials: 64, mostK: 8192, seed: 1 });
    },
  };
}

/** The command that measures the same points: generated operands, their codes, sums by model and interval, the error of each. */
export function curveCommand(request: CurveRequest): string {
  const { series, trials, mostK } = request;
  const inputs = [0, 1].map((stream) => operandInput(request, stream));
  return nodeCommand(
    [
      'import { blockSum, encode, generate, modelPreset } from "fp8lab";',
      `const [rows, width] = [${trials}, ${mostK}];`,
      `const [a, b] = ${JSON.stringify(inputs)}.map((input) => encode(new Float32Array(generate(input, [rows, width]).codes.buffer), "e4m3"));`,
      'const sums = (model, every, k) => { const sum = blockSum(modelPreset(model), "e4m3", "e4m3"); const step = every || k;',
      'return Float64Array.from({ length: rows }, (_, row) => { let total = 0; for (let at = 0; at < k; at += step) { const offset = row * width + at;',
      'total = Math.fround(total + sum({ codes: a, offset }, { codes: b, offset }, Math.min(step, k - at))); } return total; }); };',
      'const rms = (values) => Math.sqrt(values.reduce((all, value) => all + value * value, 0) / rows);',
      `for (const k of ${JSON.stringify(curveLengths(mostK))}) { const exact = sums("exact", 0, k); for (const { name, model, promoteEvery } of ${JSON.stringify(series)}) {`,
      'const is = sums(model, promoteEvery, k); console.log([name, k, rms(exact.map((value, i) => is[i] - value)) / rms(exact)].join()); } }',
    ].join(' '),
  );
}

function exportOf(request: CurveRequest, points: readonly CurvePoint[], picture: () => SVGSVGElement | null) {
  return {
    name: 'fp8lab-promotion',
    command: curveCommand(request),
    json: () => ({ request, points: points.map(({ series, k, error, largest }) => ({ series, k, error, largest })) }),
    csv: () => [
      ['series', 'k', 'rms error', 'largest error'],
      ...points.map(({ series, k, error, largest }) => [series, k, error, largest]),
    ],
    picture,
  };
}
