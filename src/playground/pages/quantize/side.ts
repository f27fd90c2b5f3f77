import { formats } from '../../../numerics/formats.ts';
import { facts, panel } from '../../ui/blocks.ts';
import { type Chart, chart } from '../../ui/chart.ts';
import { type CheckLine, checkLine } from '../../ui/check-line.ts';
import { type Control, choice } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { figure, type HeatMap, heatMap, legend } from '../../ui/heat-map.ts';
import type { QuantizeView } from './view.ts';

/** One scheme's column: what it costs, where it errs, its scales, and how it uses its format. */
export interface Side {
  readonly element: HTMLElement;
  readonly picker: Control<string>;
  readonly errors: HeatMap;
  show(view: QuantizeView): void;
  /** What the adapter gives for the same quantization. */
  readonly gpu: CheckLine;
}

const decibels = (value: number) =>
  Number.isFinite(value) ? `${value.toFixed(1)} dB` : Number.isNaN(value) ? 'nothing finite' : 'no error';
const percent = (share: number) => (share === 0 ? '0 %' : `${(100 * share).toPrecision(2)} %`);

/** Builds a column; `names` are the presets to choose from. */
export function schemeSide(
  title: string,
  names: readonly string[],
  onPreset: (name: string) => void,
  onPoint: (row: number, column: number) => void,
  onPick: (row: number, column: number) => void,
): Side {
  const picker = choice({ label: 'Scheme', choices: names, onChange: onPreset });
  const numbers = h('div', { class: 'numbers' });
  const gpu = checkLine({ 'data-check': title.toLowerCase() });
  const errors = heatMap({ label: `Error under the ${title.toLowerCase()} scheme`, onPoint, onPick, aspect: 0.4 });
  const scales = heatMap({ label: `Scales of the ${title.toLowerCase()} scheme`, aspect: 0.12 });
  const histogram = chart();
  const scaleNote = h('span', {});
  const errorLegend = h('span', {});
  const element = panel(
    title,
    picker.element,
    numbers,
    gpu.element,
    figure('Error of each element', errors.element, errorLegend),
    figure('Scale of each tile', scales.element, scaleNote),
    figure('Where the scaled values fall in the format', histogram.element, zoneKey()),
  );
  return {
    element,
    picker,
    errors,
    gpu,
    show(view) {
      const {
        rows,
        columns,
        grid,
        factors,
        sqnr,
        medianSqnr,
        saturated,
        underflowed,
        notFinite,
        bitsPerValue,
        pictures,
      } = view;
      fill(
        numbers,
        facts([
          ['Signal to noise', decibels(sqnr)],
          ['The same, median channel', decibels(medianSqnr)],
          ['Underflowed to zero', percent(underflowed)],
          ['Saturated', percent(saturated)],
          ['Bits a value', bitsPerValue.toFixed(2)],
          ...(notFinite > 0 ? [['NaN or Inf', h('span', { class: 'bad-text' }, percent(notFinite))] as const] : []),
        ]),
      );
      errors.show({
        rows,
        columns,
        levels: pictures.error,
        ramp: 'error',
        tile: [grid.tileRows, grid.tileColumns],
      });
      fill(errorLegend, legend('error', 'none', 'largest of both'));
      scales.show({ rows: grid.rows, columns: grid.columns, levels: pictures.scale, ramp: 'value' });
      fill(scaleNote, factors.length === 1 ? 'one for the tensor' : `${grid.rows} × ${grid.columns} scales`);
      void drawHistogram(histogram, view);
    },
  };
}

/** The zones of the histogram by colour and by place, from left to right. */
function zoneKey(): HTMLElement {
  const zone = (colour: string, text: string) =>
    h('span', { class: 'key' }, h('span', { class: 'swatch', style: { background: `var(--${colour})` } }), text);
  return h(
    'span',
    { class: 'keys' },
    zone('sign', 'below the least code'),
    zone('mantissa', 'few bits'),
    zone('accent', 'full precision'),
  );
}

function drawHistogram(target: Chart, { histogram, scheme, values }: QuantizeView): Promise<void> {
  const { first, counts, leastExponent, normalExponent, largestExponent } = histogram;
  const data = counts.map((count, i) => ({ exponent: first + i, share: count / values.length }));
  const lost = data.filter(({ exponent }) => exponent < leastExponent).reduce((sum, { share }) => sum + share, 0);
  const zone = (exponent: number) =>
    exponent < leastExponent ? 'below the least code' : exponent < normalExponent ? 'subnormal: few bits' : 'normal';
  const label = `Histogram of scaled magnitudes under ${scheme.format}: ${percent(lost)} lie below the least code, 2^${leastExponent}`;
  return target.show(label, (plot, width) => ({
    height: 190,
    marginLeft: 44,
    marginBottom: 38,
    x: {
      label: 'power of two of |x| / scale',
      tickFormat: (exponent: number) => `2^${exponent}`,
      ticks: data.filter((_, i) => i % (width < 420 ? 8 : 4) === 0).map(({ exponent }) => exponent),
      type: 'band',
    },
    y: { label: null, percent: false, tickFormat: '.0%', ticks: 4, grid: true },
    color: {
      domain: ['below the least code', 'subnormal: few bits', 'normal'],
      range: ['var(--sign)', 'var(--mantissa)', 'var(--accent)'],
      legend: false,
    },
    marks: [
      plot.barY(data, {
        x: 'exponent',
        y: 'share',
        fill: ({ exponent }: { exponent: number }) => zone(exponent),
        insetLeft: 1,
        insetRight: 1,
      }),
      plot.ruleX([leastExponent, largestExponent], { stroke: 'var(--line-strong)', strokeDasharray: '3 3' }),
      plot.text(
        [
          { exponent: leastExponent, text: 'least code' },
          { exponent: largestExponent, text: `${formats[scheme.format].max} at most` },
        ],
        { x: 'exponent', text: 'text', frameAnchor: 'top', dy: -12, fill: 'var(--ink-2)', fontSize: 11 },
      ),
      plot.ruleY([0]),
    ],
  }));
}
