import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { CodeValue, ElementDifference, TensorComparison } from '../compare.ts';
import { createTracer } from '../explain.ts';
import type { Metrics } from '../metrics.ts';
import { type Difference, errorData } from '../suite.ts';
import type { Trace } from '../trace/steps.ts';
import { derivation } from './derivation.ts';
import { aspect, type DifferenceMap, differenceMap, heatMapFigure } from './heat-map.ts';
import { histogramFigure } from './histogram.ts';
import { count, type Html, html, measured, percent, plural } from './html.ts';
import { table } from './table.ts';

/** Elements of a tensor that are worked out. */
const workedOut = 3;

/** Anchor of a comparison in the page. */
export const anchorOf = (spec: string, backend: string): string =>
  `${spec}--${backend}`.replace(/[^A-Za-z0-9_-]+/g, '-');

/** Everything the page tells of one comparison that differs. */
export function differenceArticle(difference: Difference): Html {
  const { spec, backend, comparison } = difference;
  const trace = lazyTracer(difference);
  const anchor = anchorOf(spec.label, backend);
  const { description } = spec.spec;
  const differing = comparison.tensors.filter(({ status }) => status !== 'equal');
  return html`<article class="card" id="${anchor}" aria-labelledby="${anchor}-title">
<h3 id="${anchor}-title">${spec.label} on ${backend}</h3>
<p class="muted">${count(comparison.mismatches)} of ${plural(comparison.elements, 'element')} differ. ${description}</p>
${differing.map((tensor) => tensorSection(tensor, difference, trace))}
</article>`;
}

type Derive = (tensor: string, element: ElementDifference) => Trace | string;

/** Derives elements of a difference; what cannot be derived is said in words. Operands are quantized at the first use. */
function lazyTracer({ spec: { spec }, inputs }: Difference): Derive {
  let trace: ReturnType<typeof createTracer> | undefined;
  return (tensor, { coordinates }) => {
    try {
      const given = (): Tensors => materializeInputs(kernelOf(spec).inputs(spec), inputs);
      trace ??= createTracer(spec, given());
      return trace(tensor, coordinates);
    } catch (error) {
      return errorData(error).message;
    }
  };
}

function tensorSection(tensor: TensorComparison, difference: Difference, derive: Derive): Html {
  const { name, dtype, shape, problem, metrics, worst } = tensor;
  const head = html`<h4>Tensor <code>${name}</code> <span class="muted">${dtype} [${shape.join(', ')}]</span></h4>`;
  const expected = difference.expected[name];
  const actual = difference.actual[name];
  if (metrics === undefined || worst === undefined || expected === undefined || actual === undefined) {
    return html`${head}<p class="bad">${problem}</p>`;
  }
  const several = difference.comparison.tensors.length > 1;
  return html`${head}${several && html`<p>${count(tensor.mismatches)} of ${plural(tensor.elements, 'element')} differ.</p>`}
${figures(differenceMap(expected, actual), metrics)}
<h5>Elements furthest apart</h5>${elementsTable(worst)}
<h5>Worked out by hand</h5>
<p class="muted">The reference's arithmetic of ${worst.length > 1 ? 'the elements' : 'the element'} furthest apart, operation by operation.</p>
${worst.slice(0, workedOut).map((element, i) => workedElement(name, element, derive, i === 0))}`;
}

/** Map, histogram and metrics: beside a map as high as it is wide there is room for the metrics, below a flat one there is not. */
function figures(map: DifferenceMap, metrics: Metrics): Html {
  const list = html`<h5>Error metrics</h5>${metricsList(metrics)}`;
  return aspect(map) > 1.8
    ? html`<div class="figures">${heatMapFigure(map)}${histogramFigure(metrics)}</div>${list}`
    : html`<div class="figures">${heatMapFigure(map)}<div>${histogramFigure(metrics)}${list}</div></div>`;
}

const place = (coordinates: readonly number[]): string => `[${coordinates.join(', ')}]`;

const distance = ({ ulps }: ElementDifference): string =>
  ulps === null ? 'NaN' : `${ulps > 0 ? '+' : ''}${count(ulps)}`.replace('-', '\u2212');

function elementsTable(worst: readonly ElementDifference[]): Html {
  const rows = worst.map((element) => [
    place(element.coordinates),
    element.expected.value,
    html`<code>${element.expected.code}</code>`,
    element.actual.value,
    html`<code>${element.actual.code}</code>`,
    distance(element),
  ]);
  return table('Elements furthest apart', ['at', 'expected', 'bits', 'got', 'bits', 'ULP'], rows);
}

function workedElement(name: string, element: ElementDifference, derive: Derive, open: boolean): Html {
  const { coordinates, expected, actual } = element;
  const side = ({ code, value }: CodeValue): Html => html`${value} <code>${code}</code>`;
  return html`<details class="element"${open && html` open`}>
<summary>${name}${place(coordinates)}: expected ${side(expected)}, got ${side(actual)}</summary>
${working(derive(name, element), expected)}</details>
`;
}

/** The derivation, or why there is none; one that ends elsewhere than the reference did is a fault of fp8lab's own, and said to be. */
function working(trace: Trace | string, expected: CodeValue): Html {
  if (typeof trace === 'string') return html`<p class="muted">It cannot be worked out here: ${trace}.</p>`;
  const agrees = trace.result.code === expected.code;
  return html`${!agrees && html`<p class="bad">This derivation ends in ${trace.result.code}, the reference gave ${expected.code}: a fault in fp8lab. Please report it with the spec.</p>`}${derivation(trace)}`;
}

/** Metrics as terms and numbers; those that are of no account are left out. */
function metricsList(metrics: Metrics): Html {
  const { checkBias, signs, masks, tiles, saturated, zero } = metrics;
  const worst = tiles.worst[0];
  const maskCount = masks.nanActualOnly + masks.nanExpectedOnly + masks.infActualOnly + masks.infExpectedOnly;
  const items: (readonly [string, Html | string] | false)[] = [
    ['Largest distance', metrics.maxUlps === null ? 'a NaN takes part in all' : `${count(metrics.maxUlps)} ULP`],
    ['Signal to noise', metrics.sqnr === null ? 'no noise' : measured(metrics.sqnr, 'dB')],
    ['Bias, relative to mean magnitude', measured(metrics.relativeBias)],
    ['Largest error', measured(metrics.maxAbsoluteError)],
    ['Largest relative error', measured(metrics.maxRelativeError)],
    ['Largest error over RMS', measured(metrics.maxErrorOverRms)],
    worst !== undefined && [
      'Worst tile of 128 by 128',
      `[${worst.tile.join(', ')}]: relative error ${measured(worst.maxRelativeError)}, norm ${measured(worst.relativeNorm)}`,
    ],
    ['Tiles that differ', `${count(tiles.differing)} of ${count(tiles.total)}`],
    [
      'Below and above the expected',
      `${count(signs.below)} and ${count(signs.above)}${signs.oneSided ? ': one-sided' : ''}`,
    ],
    ['calc_diff, for comparison', measured(metrics.calcDiff)],
    ['check_bias, for comparison', `${checkBias.within ? 'within' : 'past'} ${percent(checkBias.limit)}`],
    maskCount > 0 && ['NaN or Inf on one side alone', plural(maskCount, 'element')],
    metrics.nonzeroForZero > 0 && ['Not zero where zero is expected', plural(metrics.nonzeroForZero, 'element')],
    metrics.zeroSigns > 0 && ['Zeros of the other sign', plural(metrics.zeroSigns, 'element')],
    metrics.nanPayloads > 0 && ['NaN with other bits', plural(metrics.nanPayloads, 'element')],
    (saturated.expected > 0 || saturated.actual > 0) && [
      'Saturated, expected and got',
      `${percent(saturated.expected)}, ${percent(saturated.actual)}`,
    ],
    (zero.expected > 0 || zero.actual > 0) && [
      'Zero, expected and got',
      `${percent(zero.expected)}, ${percent(zero.actual)}`,
    ],
  ];
  return html`<dl>${items.map((item) => item && html`<div><dt>${item[0]}</dt><dd>${item[1]}</dd></div>`)}</dl>`;
}
