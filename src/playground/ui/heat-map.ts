import { resolveColour, themePixels } from './colour.ts';
import { fill, h } from './dom.ts';
import { type Levels, noLevel } from './levels.ts';

/** What a heat map shows. */
export interface HeatMapContent {
  readonly rows: number;
  readonly columns: number;
  /** Level of each cell, row-major. */
  readonly levels: Levels;
  readonly ramp: 'value' | 'error';
  /** Rows and columns that a grid line closes off; none where left out. */
  readonly tile?: readonly [rows: number, columns: number];
}

/** A matrix as a picture; pointer and arrow keys choose a cell. */
export interface HeatMap {
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  show(content: HeatMapContent): void;
  /** Marks a cell without calling back. */
  mark(row: number, column: number): void;
}

/** How a heat map is made. */
export interface HeatMapOptions {
  readonly label: string;
  /** A cell is pointed at or walked to. */
  readonly onPoint?: (row: number, column: number) => void;
  /** A cell is clicked or entered. */
  readonly onPick?: (row: number, column: number) => void;
  /** Height of the picture by its width; default by the matrix, between 0.1 and 1. */
  readonly aspect?: number;
}

const most = 1600;

/**
 * The same content in at most `mostRows` rows and `mostColumns` columns: where the picture has fewer pixels than the matrix has elements, a pixel
 * shows the largest level it stands for, so that a single large channel is never left out.
 */
function pooled(content: HeatMapContent, mostRows: number, mostColumns: number): HeatMapContent {
  const rows = Math.min(content.rows, Math.max(mostRows, 1));
  const columns = Math.min(content.columns, Math.max(mostColumns, 1));
  if (rows === content.rows && columns === content.columns) return content;
  const levels = new Uint8Array(rows * columns);
  const cells = Uint16Array.from({ length: content.columns }, (_, i) => Math.floor((i * columns) / content.columns));
  for (let row = 0; row < content.rows; row++) {
    const line = Math.floor((row * rows) / content.rows) * columns;
    for (let column = 0; column < content.columns; column++) {
      const cell = line + cells[column]!;
      // A cell without a value has the highest level: it is never left out either.
      levels[cell] = Math.max(levels[cell]!, content.levels[row * content.columns + column]!);
    }
  }
  return { ...content, rows, columns, levels };
}

function pixelsOf({ rows, columns, levels, ramp }: HeatMapContent): ImageData {
  const colours = themePixels(ramp);
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colours[levels[i] ?? noLevel]!;
  return image;
}

/** Builds a heat map; `show` fills it. */
export function heatMap(options: HeatMapOptions): HeatMap {
  const canvas = h(
    'canvas',
    options.onPoint
      ? {
          tabindex: '0',
          role: 'application',
          'aria-roledescription': 'heat map',
          'aria-label': `${options.label}; arrow keys choose a cell`,
        }
      : { role: 'img', 'aria-label': options.label },
  );
  const element = h('div', { class: 'heat' }, canvas);
  let content: HeatMapContent | undefined;
  let picture: HTMLCanvasElement | undefined;
  /** Rows and columns of the picture, and what it was made of. */
  let pictured = '';
  let at: readonly [number, number] | undefined;

  const makePicture = (whole: HeatMapContent): HTMLCanvasElement => {
    const small = pooled(whole, canvas.height, canvas.width);
    const size = `${small.rows} ${small.columns}`;
    if (picture !== undefined && pictured === size) return picture;
    pictured = size;
    picture = h('canvas', { width: small.columns, height: small.rows });
    picture.getContext('2d', { willReadFrequently: true })!.putImageData(pixelsOf(small), 0, 0);
    return picture;
  };
  const paint = () => {
    if (content === undefined) return;
    const { rows, columns, tile } = content;
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    context.imageSmoothingEnabled = false;
    context.drawImage(makePicture(content), 0, 0, canvas.width, canvas.height);
    const [width, height] = [canvas.width / columns, canvas.height / rows];
    if (tile) gridLines(context, content, tile, width, height);
    if (at) {
      const [row, column] = at;
      context.lineWidth = 2 * devicePixelRatio;
      context.strokeStyle = getComputedStyle(canvas).getPropertyValue('color');
      const size = Math.max(width, height, 8 * devicePixelRatio);
      context.strokeRect((column + 0.5) * width - size / 2, (row + 0.5) * height - size / 2, size, size);
    }
  };
  /** Width of the place in CSS pixels, as the observer tells it: to ask would make the browser lay the page out. */
  let box = 0;
  const size = () => {
    if (content === undefined) return;
    box ||= element.clientWidth || 600;
    const aspect = options.aspect ?? Math.min(Math.max(content.rows / content.columns, 0.1), 1);
    const width = Math.min(Math.round(box * devicePixelRatio), most);
    const height = Math.max(Math.round(width * aspect), 8);
    // Setting a size clears the canvas, even to the same one.
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    paint();
  };
  new ResizeObserver(([entry]) => {
    box = Math.floor(entry!.contentRect.width);
    size();
  }).observe(element);

  const cellOf = (event: PointerEvent): readonly [number, number] => {
    const box = canvas.getBoundingClientRect();
    const inside = (share: number, count: number) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
    return [
      inside((event.clientY - box.top) / box.height, content!.rows),
      inside((event.clientX - box.left) / box.width, content!.columns),
    ];
  };
  const go = (cell: readonly [number, number]) => {
    at = cell;
    paint();
    options.onPoint?.(...cell);
  };
  canvas.addEventListener('pointermove', (event) => content && options.onPoint && go(cellOf(event)));
  canvas.addEventListener('click', (event) => {
    if (content === undefined || options.onPick === undefined) return;
    go(cellOf(event as PointerEvent));
    options.onPick(...cellOf(event as PointerEvent));
  });
  canvas.addEventListener('keydown', (event) => {
    if (content === undefined || options.onPoint === undefined) return;
    const [row, column] = at ?? [0, 0];
    if (event.key === 'Enter') return options.onPick?.(row, column);
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const stride = event.shiftKey ? 16 : 1;
    const within = (place: number, count: number) => Math.min(Math.max(place, 0), count - 1);
    go([within(row + stride * move[0]!, content.rows), within(column + stride * move[1]!, content.columns)]);
  });

  return {
    element,
    canvas,
    show(next) {
      content = next;
      picture = undefined;
      size();
    },
    mark(row, column) {
      at = [row, column];
      paint();
    },
  };
}

function gridLines(
  context: CanvasRenderingContext2D,
  { rows, columns }: HeatMapContent,
  [tileRows, tileColumns]: readonly [number, number],
  width: number,
  height: number,
): void {
  context.fillStyle = `rgb(${resolveColour('var(--line-strong)').join(' ')} / 0.55)`;
  const line = Math.max(1, Math.round(devicePixelRatio * 0.75));
  // Lines closer than a few pixels would only veil the picture.
  if (tileColumns * width >= 4) {
    for (let column = tileColumns; column < columns; column += tileColumns)
      context.fillRect(Math.round(column * width), 0, line, context.canvas.height);
  }
  if (tileRows * height >= 4) {
    for (let row = tileRows; row < rows; row += tileRows)
      context.fillRect(0, Math.round(row * height), context.canvas.width, line);
  }
}

/** A strip of the scale's colours with its ends named. */
export function legend(kind: 'value' | 'error', low: string, high: string): HTMLElement {
  const canvas = h('canvas', { width: 128, height: 1, 'aria-hidden': 'true' });
  const levels = Uint8Array.from({ length: 128 }, (_, i) => 2 * i);
  const image = pixelsOf({ rows: 1, columns: 128, levels, ramp: kind });
  canvas.getContext('2d', { willReadFrequently: true })!.putImageData(image, 0, 0);
  return h('div', { class: 'legend' }, h('span', {}, low), canvas, h('span', {}, high));
}

/** A picture with a caption under it. */
export function figure(title: string, content: HTMLElement, note?: HTMLElement): HTMLElement {
  const caption = h('figcaption', {});
  fill(caption, h('span', {}, title), note);
  return h('figure', { class: 'picture' }, content, caption);
}
