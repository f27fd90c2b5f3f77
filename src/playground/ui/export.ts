import { cssColour, resolveColour } from './colour.ts';
import { button } from './controls.ts';
import { csvText } from './csv.ts';
import { type Child, fill, h } from './dom.ts';
import { after, paced } from './frame.ts';

/** What a result can be taken away as. */
export interface Exportable {
  /** Stem of the files' names. */
  readonly name: string;
  /** The command that gives the same numbers outside the page. */
  readonly command: string;
  /** The result as data: it is wrapped with the version, the link and the command. */
  readonly json: () => object;
  /** The result as a table, heads first. */
  readonly csv?: () => readonly (readonly (string | number)[])[];
  /** The picture: a canvas or an SVG. */
  readonly picture?: () => Picture;
  /** Files that the command takes: a spec, a shader. */
  readonly files?: readonly ExportedFile[];
}

/** What can be saved as a picture; nothing where none is drawn yet. */
export type Picture = SVGSVGElement | HTMLCanvasElement | null | undefined;

/** A text that is saved under a name of its own. */
export interface ExportedFile {
  readonly name: string;
  readonly text: string;
}

/** Version of exported JSON. */
const schemaVersion = 1;

function download(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  h('a', { href: address, download: name }).click();
  // The download has begun by then; the address would hold the memory.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What the page's style sheets say of pictures. */
const styled = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'opacity',
  'paint-order',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
] as const;

/** Writes what the style sheets say of an element, and of all in it, into a copy: where it is not what the element around it has. */
function writeStyles(from: Element, copy: Element, around?: CSSStyleDeclaration): void {
  const own = getComputedStyle(from);
  for (const name of styled) {
    const value = own.getPropertyValue(name);
    const plain = name === 'opacity' ? '1' : around?.getPropertyValue(name);
    if (value !== plain) copy.setAttribute(name, value);
  }
  for (const [i, child] of Array.from(from.children).entries()) writeStyles(child, copy.children[i]!, own);
}

/** An SVG as a file that stands alone, of the size that it is drawn in: the page's colours and styles written out. */
export function standaloneSvg(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  if (svg.isConnected) writeStyles(svg, copy);
  const { width, height } = svgSize(svg);
  const plain = { xmlns: 'http://www.w3.org/2000/svg', width, height, 'font-family': 'sans-serif' };
  for (const [name, value] of Object.entries(plain)) copy.setAttribute(name, String(value));
  copy.setAttribute('color', cssColour(resolveColour('var(--ink-2)')));
  const text = new XMLSerializer().serializeToString(copy);
  return text.replace(/var\(--[a-z0-9-]+\)/g, (name) => cssColour(resolveColour(name)));
}

function svgSize(svg: SVGSVGElement): { width: number; height: number } {
  const { width, height } = svg.viewBox.baseVal ?? { width: 0, height: 0 };
  if (width > 0) return { width, height };
  const box = svg.getBoundingClientRect();
  return { width: box.width, height: box.height };
}

/** Draws an SVG at twice its size on the page's own ground. */
async function svgToPng(svg: SVGSVGElement): Promise<Blob | null> {
  const { width, height } = svgSize(svg);
  const image = new Image(width, height);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standaloneSvg(svg))}`;
  await image.decode();
  const canvas = h('canvas', { width: Math.ceil(2 * width), height: Math.ceil(2 * height) });
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = cssColour(resolveColour('var(--surface)'));
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvasToPng(canvas);
}

const canvasToPng = (canvas: HTMLCanvasElement): Promise<Blob | null> =>
  new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));

async function savePng(name: string, picture: SVGSVGElement | HTMLCanvasElement): Promise<void> {
  const png = await (picture instanceof HTMLCanvasElement ? canvasToPng(picture) : svgToPng(picture));
  if (png !== null) download(`${name}.png`, png);
}

/** Buttons that save a picture: as SVG where it is one, and as PNG. */
export function pictureButtons(name: string, picture: () => Picture, missing: () => void = () => {}): Child[] {
  const saveSvg = () => {
    const found = picture();
    if (found instanceof SVGSVGElement)
      download(`${name}.svg`, new Blob([standaloneSvg(found)], { type: 'image/svg+xml' }));
    else missing();
  };
  const save = () => {
    const found = picture();
    if (found) void savePng(name, found);
    else missing();
  };
  return [
    picture() instanceof SVGSVGElement && button('SVG', saveSvg, { 'data-export': 'svg' }),
    button('PNG', save, { 'data-export': 'png' }),
  ];
}

/** Buttons that take a result away, above the command that gives it again. Built anew whenever the result changes; `link` is asked when it is needed. */
export function exportBar(what: Exportable, link: () => string): HTMLElement {
  const said = h('span', { class: 'small quiet', role: 'status' });
  const wrapped = () => ({ schemaVersion, link: link(), command: what.command, ...what.json() });
  const copy = async (text: string, name: string, elsewhere: string) => {
    try {
      // Pages by http from another machine have no clipboard at all.
      await navigator.clipboard.writeText(text);
      fill(said, `${name} copied`);
    } catch {
      fill(said, `the browser does not let the page copy; the ${name.toLowerCase()} is ${elsewhere}`);
    }
  };
  const json = () =>
    download(`${what.name}.json`, new Blob([`${JSON.stringify(wrapped(), null, 2)}\n`], { type: 'application/json' }));
  const csv = what.csv && (() => download(`${what.name}.csv`, new Blob([csvText(what.csv!())], { type: 'text/csv' })));
  return h(
    'div',
    { class: 'export' },
    h(
      'div',
      { class: 'row' },
      h('span', { class: 'small quiet' }, 'Take it away'),
      button('JSON', json, { 'data-export': 'json' }),
      csv && button('CSV', csv, { 'data-export': 'csv' }),
      what.picture && pictureButtons(what.name, what.picture, () => fill(said, 'there is no picture yet')),
      what.files?.map(({ name, text }) =>
        button(name, () => download(name, new Blob([text], { type: 'text/plain' })), { 'data-export': 'file' }),
      ),
      button('Copy link', () => void copy(link(), 'Link', 'the address of the page')),
      button('Copy command', () => void copy(what.command, 'Command', 'below')),
      said,
    ),
    h('code', { tabindex: '0', 'aria-label': 'Command that gives the same numbers' }, what.command),
  );
}

/** A place for the buttons of what changes while one drags: they follow at rest. */
export function exportPlace(link: () => string): { readonly element: HTMLElement; show(what: Exportable): void } {
  const element = h('div', {});
  return { element, show: paced(after(150), (what: Exportable) => fill(element, exportBar(what, link))) };
}
