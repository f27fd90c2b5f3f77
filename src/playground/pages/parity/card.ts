import { type Child, s } from '../../ui/dom.ts';

/** What the card says. */
export interface CardContent {
  readonly extent: 'quick' | 'all';
  readonly adapter: string;
  readonly software: boolean;
  /** Recorded dot products that were run, those that there are, and those whose bits differ. */
  readonly products: number;
  readonly productsRecorded: number;
  readonly productsDiffering: number;
  /** Specs that were run, and those that could be. */
  readonly specs: number;
  readonly specsShipped: number;
  readonly specsFailed: number;
  readonly elements: number;
  readonly elementsDiffering: number;
  /** The numerics probe in a few words. */
  readonly probe: string;
  readonly date: string;
}

const width = 760;
const height = 330;

/** Yes, no, or not all could be run; in a few words. */
export function verdictOf({ productsDiffering, elementsDiffering, specsFailed }: CardContent): {
  good: boolean;
  text: string;
} {
  if (productsDiffering > 0 || elementsDiffering > 0) return { good: false, text: 'Not bit for bit' };
  if (specsFailed > 0) return { good: false, text: `No bit differs, but ${specsFailed} specs did not run` };
  return { good: true, text: 'Yes: Hopper’s bits' };
}

const number = (value: number) => value.toLocaleString('en');

/** What was run, plainly. */
export function extentOf({ extent, products, productsRecorded, specs, specsShipped }: CardContent): string {
  if (extent === 'all') return 'everything that a tab can run';
  return `quick check: ${number(products)} of ${number(productsRecorded)} recorded, ${specs} of ${specsShipped} specs`;
}

/** The result as a picture to keep or to show. */
export function resultCard(content: CardContent): SVGSVGElement {
  const { good, text } = verdictOf(content);
  const same = content.products - content.productsDiffering;
  const lines: readonly (readonly [string, string])[] = [
    [`${number(same)} of ${number(content.products)}`, 'dot products recorded on an H100 come out with the same bits'],
    [
      number(content.elementsDiffering),
      `of ${number(content.elements)} elements of ${content.specs} specs differ from the reference`,
    ],
    [
      content.probe.split(' ').slice(0, 3).join(' '),
      'of its own operations are as IEEE 754 says; the kernels need none',
    ],
  ];
  return s(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `${text}. ${lines.map((line) => line.join(' ')).join('. ')}. Run: ${extentOf(content)}`,
      class: 'card',
    },
    s('rect', {
      x: 0.75,
      y: 0.75,
      width: width - 1.5,
      height: height - 1.5,
      rx: 16,
      fill: 'var(--surface)',
      stroke: 'var(--line)',
      'stroke-width': 1.5,
    }),
    s('rect', { x: 0.75, y: 24, width: 5, height: 74, fill: good ? 'var(--good)' : 'var(--bad)' }),
    word(32, 52, shorten(content.adapter, 46), { size: 15, fill: 'var(--ink-2)' }),
    word(32, 90, text, { size: 31, weight: 680, fill: good ? 'var(--good)' : 'var(--bad)' }),
    content.software &&
      word(width - 32, 52, 'software adapter: bits, not speed', { size: 14, fill: 'var(--ink-2)', anchor: 'end' }),
    lines.map(([figure, meaning], i) => [
      word(32, 148 + 44 * i, figure, { size: 20, weight: 650 }),
      word(216, 148 + 44 * i, meaning, { size: 15, fill: 'var(--ink-2)' }),
    ]),
    s('line', { x1: 32, x2: width - 32, y1: 270, y2: 270, stroke: 'var(--line)' }),
    word(32, 300, 'fp8lab', { size: 15, weight: 700, fill: 'var(--accent)' }),
    word(width - 32, 300, `${content.date} · ${extentOf(content)}`, { size: 13, fill: 'var(--ink-2)', anchor: 'end' }),
  );
}

const shorten = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function word(
  x: number,
  y: number,
  text: string,
  {
    size,
    weight = 400,
    fill = 'var(--ink)',
    anchor = 'start',
  }: { size: number; weight?: number; fill?: string; anchor?: string },
): Child {
  return s('text', { x, y, 'font-size': size, 'font-weight': weight, fill, 'text-anchor': anchor }, text);
}
