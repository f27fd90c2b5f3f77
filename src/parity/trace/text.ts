import type { CodeValue } from '../compare.ts';
import type { Operation, Quantity, Sum, Term, Trace, TraceSection, TraceStep } from './steps.ts';

/** `steps`: one line an operation. `terms`: every product of every sum too. */
export type TraceDetail = 'steps' | 'terms';

/** A derivation as plain text, for terminals and logs. */
export function renderTrace(trace: Trace, detail: TraceDetail = 'steps'): string {
  const head = `${trace.tensor}[${trace.coordinates.join(', ')}] of ${trace.spec} = ${both(trace.result)}`;
  return `${[head, ...trace.sections.map((section) => renderSection(section, detail))].join('\n\n')}\n`;
}

function renderSection(section: TraceSection, detail: TraceDetail): string {
  const title = section.text === undefined ? section.title : `${section.title} (${section.text})`;
  return [title, ...section.steps.flatMap((step) => renderStep(step, detail)).map((line) => `  ${line}`)].join('\n');
}

function renderStep(step: TraceStep, detail: TraceDetail): string[] {
  if (step.kind === 'operation') return renderOperation(step);
  const table = detail === 'terms' ? termTable(step).map((line) => `  ${line}`) : [];
  const note = step.note === undefined ? [] : [`  ${step.note}`];
  return [`${step.result.name} = ${sumWords(step)} = ${both(step.result)}`, ...table, ...note];
}

function renderOperation({ formula, operands, result, note }: Operation): string[] {
  const inputs = operands.length === 0 ? [] : [`  with ${operands.map(named).join(', ')}`];
  return [`${result.name} = ${formula} = ${both(result)}`, ...inputs, ...(note === undefined ? [] : [`  ${note}`])];
}

const both = ({ code, value }: CodeValue): string => `${value} (${code})`;

const named = (x: Quantity): string => `${x.name} ${both(x)}`;

/** What a sum adds up, in words: `C + 32 products, k 0 to 31, aligned to 2^5, last kept bit 2^-8`. */
export function sumWords(sum: Sum): string {
  const first = sum.terms[0]?.k ?? 0;
  const last = sum.terms.at(-1)?.k ?? 0;
  const start = Number(sum.accumulator.value) === 0 ? '' : `C ${sum.accumulator.value} + `;
  const aligned =
    sum.largestExponent === undefined
      ? ''
      : `, aligned to 2^${sum.largestExponent}, last kept bit 2^${sum.lastExponent}`;
  const products =
    sum.terms.length === 1 ? `1 product, k ${first}` : `${sum.terms.length} products, k ${first} to ${last}`;
  return `${start}${products}${aligned}`;
}

/** Column heads and cells of a sum's terms; columns that the model has no use for are left out. */
export function termCells(sum: Sum): { heads: string[]; rows: string[][] } {
  const unit = sum.lastExponent === undefined ? '' : `x 2^${sum.lastExponent}`;
  const columns: [string, (term: Term) => string][] = [
    ['k', (term) => String(term.k)],
    ['a', (term) => both(term.a)],
    ['b', (term) => both(term.b)],
    ['product', (term) => term.product],
  ];
  if (sum.model === 'aligned' && sum.total !== undefined) {
    columns.push(
      ['exponent', (term) => (term.exponent === undefined ? '' : String(term.exponent))],
      [`aligned ${unit}`, (term) => (term.aligned === undefined ? '' : String(term.aligned))],
      ['cut off', (term) => term.cut ?? ''],
    );
  }
  if (sum.model === 'sequential') columns.push(['sum', (term) => (term.sum === undefined ? '' : both(term.sum))]);
  return { heads: columns.map(([head]) => head), rows: sum.terms.map((term) => columns.map(([, cell]) => cell(term))) };
}

function termTable(sum: Sum): string[] {
  const { heads, rows } = termCells(sum);
  const lines = [heads, ...rows, ...accumulatorLine(sum, heads.length)];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => line.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
}

/** The accumulator's own line, where it takes part in an aligned sum. */
function accumulatorLine(sum: Sum, columns: number): string[][] {
  if (sum.total === undefined) return [];
  const line = new Array<string>(columns).fill('');
  line[0] = 'C';
  line[3] = sum.accumulator.value;
  line[5] = String(sum.accumulatorAligned ?? 0);
  line[6] = sum.accumulatorCut ?? '';
  const total = new Array<string>(columns).fill('');
  total[0] = 'sum';
  total[5] = String(sum.total);
  return [line, total];
}
