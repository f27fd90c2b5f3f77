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
  /** Undefined where the reference was alone: it was held against nothing. */
  readonly elementsDiffering: number | undefined;
  /** The numerics probe in a few words; undefined where there is no adapter. */
  readonly probe: string | undefined;
  readonly date: string;
}

/** Sizes of the card: the wide one is taken away, the narrow one stands on a phone. */
const layouts = {
  wide: { width: 760, height: 330, title: 31, pitch: 44, text: 216 },
  narrow: { width: 380, height: 440, title: 24, pitch: 76, text: 32 },
} as const;

/** Yes, no, or not all could be run; in a few words. */
export function verdictOf({ productsDiffering, elementsDiffering, specs, specsFailed }: CardContent): {
  good: boolean;
  text: string;
} {
  if (productsDiffering > 0 || (elementsDiffering ?? 0) > 0) return { good: false, text: 'Not bit for bit' };
  if (specsFailed > 0) return { good: false, text: `No bit differs, but ${specsFailed} of ${specs} specs did not run` };
  return {
    good: true,
    text: elementsDiffering === undefined ? 'The reference has Hopper’s bits' : 'Yes: Hopper’s bits',
  };
}

const number = (value: number) => value.toLocaleString('en');

/** What was run, plainly. */
export function extentOf({ extent, products, productsRecorded, specs, specsShipped }: CardContent): string {
  if (extent === 'all') return 'everything that a tab can run';
  return `quick check: ${number(products)} of ${number(productsRecorded)} recorded, ${specs} of ${specsShipped} specs`;
}

/** The card's figures, and what each means. */
export function figuresOf(content: CardContent, narrow = false): readonly (readonly [string, string])[] {
  const { products, productsDiffering, specs, elements, elementsDiffering, probe } = content;
  const recorded = [
    `${number(products - productsDiffering)} of ${number(products)}`,
    narrow
      ? 'dot products of an H100 have the same bits'
      : 'dot products recorded on an H100 come out with the same bits',
  ] as const;
  if (elementsDiffering === undefined || probe === undefined)
    return [recorded, [`${specs} specs`, 'were computed; there is no GPU to compare with']];
  const of = `of ${number(elements)} elements of ${specs} specs differ`;
  const own = 'of its own operations are as IEEE 754 says';
  return [
    recorded,
    [number(elementsDiffering), narrow ? of : `${of} from the reference`],
    [probe.split(' ').slice(0, 3).join(' '), narrow ? own : `${own}; the kernels need none`],
  ];
}

/** The result as a picture to keep or to show. */
export function resultCard(content: CardContent, layout: keyof typeof layouts = 'wide'): SVGSVGElement {
  const { width, height, title, pitch, text: textAt } = layouts[layout];
  const narrow = layout === 'narrow';
  const { good, text } = verdictOf(content);
  const lines = figuresOf(content, narrow);
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
    word(32, 52, shorten(content.adapter, narrow ? 34 : 46), { size: 15, fill: 'var(--ink-2)' }),
    word(32, 90, text, {
      size: text.length > 24 ? title - 8 : title,
      weight: 680,
      fill: good ? 'var(--good)' : 'var(--bad)',
    }),
    content.software &&
      word(narrow ? 32 : width - 32, narrow ? 118 : 52, 'software adapter: bits, not speed', {
        size: 14,
        fill: 'var(--ink-2)',
        anchor: narrow ? 'start' : 'end',
      }),
    lines.map(([figure, meaning], i) => {
      const y = (narrow ? 166 : 148) + pitch * i;
      return [
        word(32, y, figure, { size: 20, weight: 650 }),
        word(textAt, narrow ? y + 24 : y, meaning, { size: 15, fill: 'var(--ink-2)' }),
      ];
    }),
    s('line', { x1: 32, x2: width - 32, y1: height - 60, y2: height - 60, stroke: 'var(--line)' }),
    word(32, height - (narrow ? 34 : 30), 'fp8lab', { size: 15, weight: 700, fill: 'var(--accent)' }),
    narrow
      ? [
          word(width - 32, height - 34, content.date, { size: 12, fill: 'var(--ink-2)', anchor: 'end' }),
          word(32, height - 14, extentOf(content), { size: 12, fill: 'var(--ink-2)' }),
        ]
      : word(width - 32, height - 30, `${content.date} · ${extentOf(content)}`, {
          size: 13,
          fill: 'var(--ink-2)',
          anchor: 'end',
        }),
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
