import { type Child, h, s } from '../../ui/dom.ts';
import type { Alignment, BitRow } from './model.ts';

const cell = 15;
const rowHeight = 17;
const left = 186;
const right = 118;
const head = 46;

/** The products of a step above one another, each bit at its power of two; what lies right of the line is cut off. */
export function alignmentPicture(
  { rows, largestExponent, lastExponent, top, bottom }: Alignment,
  chosen: number | undefined,
  onRow: (k: number) => void,
): SVGSVGElement {
  const columns = top - bottom + 1;
  const width = left + columns * cell + right;
  const height = head + rows.length * rowHeight + 14;
  const place = (exponent: number) => left + (top - exponent) * cell;
  const cutAt = place(lastExponent) + cell + 1;
  const lost = rows.filter((row) => row.lost !== undefined).length;
  const label = `${rows.length} terms aligned to 2^${largestExponent}; bits below 2^${lastExponent} are cut off, which ${lost} terms lose`;
  const marks = Array.from({ length: columns }, (_, i) => top - i).filter((exponent) => exponent % 4 === 0);
  const svg = s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, class: 'alignment', role: 'img', 'aria-label': label },
    s('rect', {
      x: cutAt,
      y: head - 8,
      width: Math.max(width - right - cutAt + 4, 0),
      height: height - head + 2,
      fill: 'var(--sign-soft)',
      rx: 4,
    }),
    rows.map(
      (row, i) =>
        row.k === chosen &&
        s('rect', { x: 0, y: rowAt(i), width, height: rowHeight - 1, fill: 'var(--accent-soft)', rx: 3 }),
    ),
    cellPaths(rows, place),
    rows.map((row, i) => drawRow(row, rowAt(i), place, width, row.k === chosen, onRow)),
    s('line', { x1: cutAt, x2: cutAt, y1: head - 12, y2: height - 4, stroke: 'var(--sign)', 'stroke-width': 2 }),
    marks.map((exponent) =>
      s(
        'text',
        { x: place(exponent) + cell / 2, y: head - 14, 'text-anchor': 'middle', class: 'tick' },
        `2^${exponent}`,
      ),
    ),
    s(
      'text',
      { x: cutAt - 6, y: 13, 'text-anchor': 'end', class: 'tick strong' },
      `${largestExponent - lastExponent} bits below the largest: kept`,
    ),
    s('text', { x: cutAt + 6, y: 13, class: 'tick cut-word' }, 'cut off'),
  );
  return svg;
}

const rowAt = (i: number): number => head + i * rowHeight;

type Bit = BitRow['bits'][number];

/** What a bit looks like, as classes. */
const kindOf = ({ set, cut }: Bit): string => `${cut ? 'cut' : 'kept'} ${set ? 'one' : 'null'}`;
const kinds = ['kept one', 'kept null', 'cut one', 'cut null'] as const;

/** The cells of all rows, one path a kind: a picture of some hundred bits has few elements. */
function cellPaths(rows: readonly BitRow[], place: (exponent: number) => number): SVGPathElement[] {
  const paths = new Map<string, string>(kinds.map((kind) => [kind, '']));
  for (const [i, { bits }] of rows.entries()) {
    for (const bit of bits) {
      const [x, y] = [place(bit.exponent) + 3.5, rowAt(i) + 1];
      const [wide, tall] = [cell - 7, rowHeight - 8];
      const outline = `M${x} ${y}h${wide}q2.5 0 2.5 2.5v${tall}q0 2.5 -2.5 2.5h${-wide}q-2.5 0 -2.5 -2.5v${-tall}q0 -2.5 2.5 -2.5z`;
      paths.set(kindOf(bit), paths.get(kindOf(bit)) + outline);
    }
  }
  return Array.from(paths, ([kind, d]) => s('path', { d, class: `cell ${kind}` }));
}

/** The digits of a row, one text a kind, each digit at its place. */
function digits(bits: readonly Bit[], y: number, place: (exponent: number) => number): Child[] {
  return kinds.map((kind) => {
    const those = bits.filter((bit) => kindOf(bit) === kind);
    if (those.length === 0) return undefined;
    const x = those.map(({ exponent }) => place(exponent) + cell / 2).join(' ');
    const text = those.map(({ set }) => (set ? '1' : '0')).join('');
    return s('text', { x, y: y + 12, 'text-anchor': 'middle', class: `cell-digit ${kind}` }, text);
  });
}

function drawRow(
  row: BitRow,
  y: number,
  place: (exponent: number) => number,
  width: number,
  chosen: boolean,
  onRow: (k: number) => void,
): SVGGElement {
  const zero = row.bits.length === 0;
  const group = s(
    'g',
    { class: chosen ? 'term chosen' : 'term' },
    s('text', { x: 26, y: y + 12, 'text-anchor': 'end', class: 'term-k' }, row.k),
    s(
      'text',
      { x: left - 12, y: y + 12, 'text-anchor': 'end', class: 'term-text' },
      `${row.negative ? '−' : ''}${row.text.replaceAll('-', '')}`,
    ),
    digits(row.bits, y, place),
    s(
      'text',
      { x: width - right + 10, y: y + 12, class: 'term-lost' },
      zero ? 'takes no part' : row.lost === undefined ? '' : `loses ${shorten(row.lost)}`,
    ),
    s('rect', { x: 0, y, width, height: rowHeight, fill: 'transparent' }),
  );
  if (row.k !== 'C') group.addEventListener('click', () => onRow(row.k as number));
  return group;
}

const shorten = (text: string): string => {
  const value = Number(text);
  return Math.abs(value) >= 0.001 && text.length <= 9 ? text : value.toExponential(2);
};

/** What the colours mean, with the signs that carry it without them. */
export function alignmentLegend(): HTMLElement {
  const key = (kind: string, text: string) =>
    h(
      'span',
      { class: 'key' },
      s(
        'svg',
        { viewBox: `0 0 ${cell} ${cell}`, 'aria-hidden': 'true' },
        s('rect', { x: 1, y: 1, width: cell - 2, height: cell - 2, rx: 2.5, class: `cell ${kind}` }),
      ),
      text,
    );
  return h(
    'div',
    { class: 'keys small quiet' },
    key('kept one', 'bit kept, one'),
    key('kept null', 'bit kept, zero'),
    key('cut one', 'bit cut off (dashed), one'),
    key('cut null', 'bit cut off, zero'),
  );
}
