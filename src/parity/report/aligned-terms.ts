import type { Sum } from '../trace/steps.ts';
import { type Html, html, trusted } from './html.ts';

const cell = 9;
const rowHeight = 11;
const left = 74;
const right = 96;
const top = 26;
/** Cut bits drawn below the last kept one; what lies lower is told in the table. */
const cutColumns = 14;

interface Line {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly negative: boolean;
}

/**
 * An aligned sum as a picture: a row a term, a column a bit, the largest exponent's bit at the left. Bits that are kept are filled, those that
 * truncation cuts off lie right of the line. Undefined for sums that are not aligned, or that have nothing to align.
 */
export function alignedTermsFigure(sum: Sum): Html | undefined {
  if (sum.total === undefined || sum.lastExponent === undefined) return undefined;
  const last = sum.lastExponent;
  const total = sum.total * 2 ** last;
  const lines: Line[] = [
    ...(Number(sum.accumulator.value) === 0 ? [] : [lineOf('C', Number(sum.accumulator.value), sum.accumulator.value)]),
    ...sum.terms.map((term) => lineOf(`k ${term.k}`, Number(term.product), term.product)),
  ];
  const ends = [lineOf('sum', total, String(total)), lineOf('result', Number(sum.result.value), sum.result.value)];
  const all = [...lines, ...ends];
  const high = Math.max(...all.filter(({ value }) => value !== 0).map(({ value }) => exponentOf(value)), last);
  const low = Math.max(Math.min(...all.map(({ value }) => lastBitOf(value)), last), last - cutColumns);
  return figure(lines, ends, high, last, low, sum);
}

const lineOf = (label: string, value: number, text: string): Line => ({
  label,
  // A product of two codes is an f32; its decimal reads back as one.
  value: Math.abs(Math.fround(value)),
  text,
  negative: value < 0,
});

/** floor(log2 x) of a positive number. */
function exponentOf(x: number): number {
  const guess = Math.floor(Math.log2(x));
  return 2 ** guess > x ? guess - 1 : guess;
}

/** Exponent of the last set bit; 1000 for zero. */
function lastBitOf(x: number): number {
  if (x === 0) return 1000;
  let exponent = exponentOf(x);
  while (x % 2 ** exponent !== 0) exponent--;
  return exponent;
}

function figure(
  lines: readonly Line[],
  ends: readonly Line[],
  high: number,
  last: number,
  low: number,
  sum: Sum,
): Html {
  const columns = high - low + 1;
  const rows = lines.length + ends.length;
  const width = left + columns * cell + right;
  const height = top + rows * rowHeight + 12;
  const xOf = (exponent: number): number => left + (high - exponent) * cell;
  const yOf = (row: number): number => top + row * rowHeight + (row >= lines.length ? 6 : 0);
  const kept: string[] = [];
  const cut: string[] = [];
  [...lines, ...ends].forEach((line, row) => {
    for (let exponent = high; exponent >= low; exponent--) {
      if (Math.floor(line.value / 2 ** exponent) % 2 === 0) continue;
      const square = `M${xOf(exponent) + 1} ${yOf(row) + 1}h${cell - 2}v${cell - 2}h-${cell - 2}z`;
      (exponent >= last ? kept : cut).push(square);
    }
  });
  const edge = xOf(last) + cell + 0.5;
  const words = `${lines.length} terms aligned to 2^${sum.largestExponent}; bits below 2^${last} are cut off`;
  const texts = [...lines, ...ends].map(
    (line, row) =>
      `<text x="${left - 8}" y="${yOf(row) + 8}" text-anchor="end">${line.label} ${line.negative ? '\u2212' : '+'}</text>` +
      `<text x="${left + columns * cell + 8}" y="${yOf(row) + 8}">${line.text}</text>`,
  );
  const rule = top + lines.length * rowHeight + 2.5;
  const markup =
    `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${words}">` +
    `<text x="${left}" y="12">2^${high}</text><text x="${edge}" y="12" text-anchor="${low < last ? 'middle' : 'end'}">2^${last}</text>` +
    `<path d="M${left} ${top - 8}H${left + columns * cell}" stroke="var(--line)"/>` +
    `<path d="${kept.join('')}" fill="var(--accent)"/><path d="${cut.join('')}" fill="var(--bad)"/>` +
    `<path d="M${edge} ${top - 10}V${height - 8}" stroke="var(--bad)" stroke-dasharray="3 3"/>` +
    `<path d="M8 ${rule}H${width - 8}" stroke="var(--muted)"/>${texts.join('')}</svg>`;
  return html`<figure class="aligned"><figcaption><b>Bits</b> ${words}: red, right of the line.</figcaption><div class="scroll">${trusted(markup)}</div></figure>`;
}
