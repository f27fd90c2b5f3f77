/** How a series looks: colour, symbol and dash all differ, so that no reader needs the colour. */
export interface SeriesStyle {
  readonly colour: string;
  readonly symbol: (typeof symbols)[number];
  /** Of the line, as `stroke-dasharray`. */
  readonly dash: string;
  /** Of a bar's fill: see `patterns` in draw.ts. */
  readonly pattern: 'solid' | 'rising' | 'dots' | 'falling' | 'crossed' | 'level' | 'upright' | 'open';
}

/** Okabe and Ito's colours (2008), told apart by colour-blind readers; the yellow is left out, as it is lost on white. */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#e69f00',
  '#000000',
  '#7f7f7f',
  '#7a4b2a',
  '#5b3fa0',
];
const symbols = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'star',
  'cross',
  'wye',
  'asterisk',
  'plus',
  'times',
] as const;
const dashes = ['none', '6 3', '2 2', '8 3 2 3', '4 4', '1 3', '10 4', '6 2 2 2 2 2', '3 3', '12 3 2 3'];
const patterns = ['solid', 'rising', 'dots', 'falling', 'crossed', 'level', 'upright', 'open'] as const;

/** Series that can be told apart in one chart. */
export const mostSeries = colours.length;

/** The look of the series at a place. Past {@link mostSeries} the looks repeat with the dashes moved on. */
export function seriesStyle(at: number): SeriesStyle {
  const i = at % colours.length;
  return {
    colour: colours[i]!,
    symbol: symbols[i]!,
    dash: dashes[(at + Math.floor(at / dashes.length)) % dashes.length]!,
    pattern: patterns[at % patterns.length]!,
  };
}

/** Colours of text and lines; charts stand on white, as print does. */
export const ink = { text: '#1a1a1a', muted: '#5c5c5c', grid: '#e3e3e3', reference: '#9b1c1c' } as const;

/** Fonts by preference; the last is what a rasterizer without the others takes. */
export const font = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', 'Liberation Sans', sans-serif";

/** About how wide text is, in pixels: charts are laid out where no browser measures it. */
export function textWidth(text: string, size: number): number {
  return Array.from(text).reduce((sum, letter) => sum + letterWidth(letter), 0) * size;
}

function letterWidth(letter: string): number {
  if (/[iljI.,:;|'! ]/.test(letter)) return 0.32;
  if (/[mwMW%]/.test(letter)) return 0.92;
  return /[A-Z]/.test(letter) ? 0.7 : 0.6;
}
