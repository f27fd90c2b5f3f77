import { PNG } from 'pngjs';
import type { Tensor } from '../../tensors/tensor.ts';
import { laneReader, ulpDistance } from '../lanes.ts';
import { matrixShape } from '../metrics.ts';
import { count, type Html, html, plural } from './html.ts';

/** Where a matrix differs: cells of equal extent, each with its differing elements and its largest ULP distance. */
export interface DifferenceMap {
  /** Extents of the matrix [product of the leading extents, last extent]. */
  readonly rows: number;
  readonly columns: number;
  /** Elements a cell spans. */
  readonly cellRows: number;
  readonly cellColumns: number;
  readonly gridRows: number;
  readonly gridColumns: number;
  /** Largest distance of each cell, row-major: 0 where equal, at least 1 where bits differ, Infinity where a NaN stands against a number. */
  readonly distance: Float64Array;
  readonly mismatches: Float64Array;
}

const maxCells = 128;

/** Maps where two tensors of one shape and dtype differ; each cell keeps the largest distance in it, so that no element is lost. */
export function differenceMap(expected: Tensor, actual: Tensor): DifferenceMap {
  const [rows, columns] = matrixShape(expected.shape);
  const cellRows = Math.max(1, Math.ceil(rows / maxCells));
  const cellColumns = Math.max(1, Math.ceil(columns / maxCells));
  const gridRows = Math.ceil(rows / cellRows);
  const gridColumns = Math.ceil(columns / cellColumns);
  const distance = new Float64Array(gridRows * gridColumns);
  const mismatches = new Float64Array(gridRows * gridColumns);
  const reader = laneReader(expected.dtype);
  for (let i = 0; i < expected.codes.length; i++) {
    const x = expected.codes[i]!;
    const y = actual.codes[i]!;
    if (x === y) continue;
    const row = Math.floor(i / columns);
    const cell = Math.floor(row / cellRows) * gridColumns + Math.floor((i - row * columns) / cellColumns);
    const size = Math.abs(ulpDistance(reader, x, y) ?? Number.POSITIVE_INFINITY);
    distance[cell] = Math.max(distance[cell]!, size, 1);
    mismatches[cell]! += 1;
  }
  return { rows, columns, cellRows, cellColumns, gridRows, gridColumns, distance, mismatches };
}

type Colour = readonly [red: number, green: number, blue: number];

const equalColour: Colour = [38, 43, 54];
const nanColour: Colour = [255, 255, 255];

/** Stops of a scale whose lightness rises evenly, so that it reads in grey and for every kind of colour vision. */
const stops: readonly Colour[] = [
  [92, 118, 196],
  [118, 132, 170],
  [152, 150, 144],
  [196, 178, 112],
  [250, 222, 76],
];

function colourAt(share: number): Colour {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = stops[Math.floor(at)]!;
  const high = stops[Math.ceil(at)]!;
  const mix = at - Math.floor(at);
  return [0, 1, 2].map((i) => Math.round(low[i]! + mix * (high[i]! - low[i]!))) as unknown as Colour;
}

/** The largest finite distance of a map; 1 where there is none. */
function largest(map: DifferenceMap): number {
  return map.distance.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, value) : most), 1);
}

function encodePng(map: DifferenceMap): string {
  const png = new PNG({ width: map.gridColumns, height: map.gridRows });
  const scale = Math.log2(largest(map) + 1);
  map.distance.forEach((value, cell) => {
    const finite = value === 0 ? equalColour : colourAt(scale <= 1 ? 1 : (Math.log2(value + 1) - 1) / (scale - 1));
    png.data.set([...(value === Number.POSITIVE_INFINITY ? nanColour : finite), 255], 4 * cell);
  });
  return `data:image/png;base64,${PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }).toString('base64')}`;
}

/** Rows or columns that the axis names: the first, some in between, the last. */
function ticks(extent: number, wanted: number): number[] {
  if (extent === 1) return [0];
  const amount = Math.min(wanted, extent);
  return Array.from({ length: amount }, (_, i) => Math.round((i * (extent - 1)) / (amount - 1)));
}

/** Width over height of the picture: that of the matrix, within bounds that keep thin ones readable. */
export function aspect(map: DifferenceMap): number {
  return Math.min(Math.max(map.gridColumns / map.gridRows, 0.5), 5);
}

function describe(map: DifferenceMap): string {
  const cells = map.mismatches.filter((n) => n > 0).length;
  const differing = map.mismatches.reduce((sum, n) => sum + n, 0);
  return `Heat map of ${count(map.rows)} rows and ${count(map.columns)} columns: ${plural(differing, 'differing element')} in ${count(cells)} of ${plural(map.distance.length, 'cell')}.`;
}

/** The map as a figure with axes and a legend; the caption says in words what the picture shows. */
export function heatMapFigure(map: DifferenceMap): Html {
  const cell =
    map.cellRows * map.cellColumns === 1
      ? 'A cell is one element.'
      : `A cell is ${count(map.cellRows)} by ${count(map.cellColumns)} elements and shows the largest distance in it.`;
  return html`<figure class="map">
<figcaption><b>Where</b> ${cell}</figcaption>
<div class="plot" style="--aspect:${aspect(map).toFixed(3)}">
<div class="axis-y" aria-hidden="true">${ticks(map.rows, map.gridRows < 12 ? 2 : 5).map((row) => html`<span>${count(row)}</span>`)}</div>
<img src="${encodePng(map)}" width="${map.gridColumns}" height="${map.gridRows}" alt="${describe(map)}">
<div class="axis-x" aria-hidden="true">${ticks(map.columns, 4).map((column) => html`<span>${count(column)}</span>`)}</div>
<div class="axis-name" aria-hidden="true">row down, column across</div>
</div>
${legend(map)}
</figure>`;
}

const css = (colour: Colour): string => `rgb(${colour.join(' ')})`;

function legend(map: DifferenceMap): Html {
  const most = largest(map);
  const gradient = `linear-gradient(to right, ${stops.map(css).join(', ')})`;
  const nan = map.distance.includes(Number.POSITIVE_INFINITY);
  return html`<div class="legend">
<span><i class="swatch" style="background:${css(equalColour)}"></i>equal</span>
<span>${most === 1 ? html`<i class="swatch" style="background:${css(stops.at(-1)!)}"></i>at most 1 ULP` : html`1 ULP <i class="ramp" style="background:${gradient}"></i> ${count(most)} ULP`}</span>
${nan && html`<span><i class="swatch" style="background:${css(nanColour)}"></i>NaN</span>`}
</div>`;
}
