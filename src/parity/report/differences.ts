import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { ElementDifference, TensorComparison } from '../compare.ts';
import { createTracer } from '../explain.ts';
import type { Metrics } from '../metrics.ts';
import { type Difference, errorData } from '../suite.ts';
import type { Trace } from '../trace/steps.ts';
import { derivation } from './derivation.ts';
import { differenceMap, heatMapFigure } from './heat-map.ts';
import { histogramFigure } from './histogram.ts';
import { count, type Html, html, measured, percent, plural } from './html.ts';

/** Elements of a tensor that are worked out. */
const workedOut = 3;

/** Anchor of a comparison in the page. */
export const anchorOf = (spec: string, backend: string): string =>
  `${spec}--${backend}`.replace(/[^A-Za-z0-9_-]+/g, '-');

/** Everything the page tells of one comparison that differs. */
export function differenceArticle(difference: Difference): Html {
  const { spec, backend, comparison } = difference;
  const trace = lazyTracer(difference);
  const title = anchorOf(spec.label, backend);
  const differing = comparison.tensors.filter(({ status }) => status !== 'equal');
  return html`<article class="card" id="${title}" aria-labelledby="${title}-title">
<h3 id="${title}-title">${spec.label} on ${backend}</h3>
<p class="muted">${count(comparison.mismatches)} of ${plural(comparison.elements, 'element')} differ${spec.spec.description && html`. ${spec.spec.description}`}</p>
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
  return html`${head}${difference.comparison.tensors.length > 1 && html`<p>${count(tensor.mismatches)} of ${plural(tensor.elements, 'element')} differ.</p>`}
<div class="figures">${heatMapFigure(differenceMap(expected, actual))}<div>${histogramFigure(metrics)}
<h5>Error metrics</h5>${metricsList(metrics)}</div></div>
<h5>Elements furthest apart</h5>${elementsTable(worst)}
<h5>Worked out by hand</h5>
<p class="muted">The reference's arithmetic of ${worst.length > 1 ? 'the elements' : 'the element'} furthest apart, operation by operation.</p>
${worst.slice(0, workedOut).map((element, i) => workedElement(name, element, derive, i === 0))}`;
}

const place = (coordinates: readonly number[]): string => `[${coordinates.join(', ')}]`;

const distance = ({ ulps }: ElementDifference): string =>
  ulps === null ? 'NaN' : `${ulps > 0 ? '+' : ''}${count(ulps)}`.replace('-', '\u2212');

function elementsTable(worst: readonly ElementDifference[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Elements furthest apart"><table>
<thead><tr><th scope="col">at</th><th scope="col">expected</th><th scope="col">bits</th><th scope="col">got</th><th scope="col">bits</th><th scope="col">ULP</th></tr></thead>
<tbody>${worst.map(
    (element) =>
      html`<tr><th scope="row">${place(element.coordinates)}</th><td>${element.expected.value}</td><td><code>${element.expected.code}</code></td><td>${element.actual.value}</td><td><code>${element.actual.code}</code></td><td>${distance(element)}</td></tr>`,
  )}</tbody></table></div>`;
}

function workedElement(name: string, element: ElementDifference, derive: Derive, open: boolean): Html {
  const trace = derive(name, element);
  const { coordinates, expected, actual } = element;
  return html`<details class="element"${open && html` open`}><summary>${name}${place(coordinates)}: expected ${expected.value} <code>${expected.code}</code>, got ${actual.value} <code>${actual.code}</code></summary>
${typeof trace === 'string' ? html`<p class="muted">It cannot be worked out here: ${trace}.</p>` : derivation(trace)}
</details>`;
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
