import type { CodeValue } from '../compare.ts';
import type { Operation, Sum, Trace, TraceSection, TraceStep } from '../trace/steps.ts';
import { sumWords, termCells } from '../trace/text.ts';
import { alignedTermsFigure } from './aligned-terms.ts';
import { type Html, html, plural, powers } from './html.ts';
import { tableAround, tableRows } from './table.ts';

/** Products listed in one derivation; a page must stay small enough to open. */
const maxTerms = 128;
/** Sections shown of one derivation, from its start and from its end. */
const maxSections = 24;

const both = ({ code, value }: CodeValue): Html => html`<span class="value">${value}</span> <code>${code}</code>`;

/** How much of a derivation is shown: on a page of its own the whole of it, and a picture of each aligned sum. */
export interface DerivationOptions {
  readonly pictures?: boolean;
}

interface Budget {
  terms: number;
  readonly pictures: boolean;
}

/** A derivation as markup: sections fold, products stand in tables. */
export function derivation(trace: Trace, { pictures = false }: DerivationOptions = {}): Html {
  const budget: Budget = { terms: pictures ? Number.POSITIVE_INFINITY : maxTerms, pictures };
  const { sections } = trace;
  const whole = pictures || sections.length <= maxSections;
  const shown = whole ? sections : [...sections.slice(0, maxSections / 2), ...sections.slice(-maxSections / 2)];
  const left = sections.length - shown.length;
  const gap = html`<p class="muted">${plural(left, 'section')} between are left out to keep the page small.</p>`;
  const items = shown.map((section, i) => {
    const markup = sectionMarkup(section, sections.length > 6, i === 0, budget);
    return left > 0 && i === maxSections / 2 ? [gap, markup] : markup;
  });
  return html`<div class="derivation">${items}</div>`;
}

function sectionMarkup(section: TraceSection, folds: boolean, open: boolean, budget: Budget): Html {
  const steps = html`<ol>${section.steps.map((step) => stepMarkup(step, budget))}</ol>`;
  const last = section.steps.at(-1)?.result;
  const text = section.text !== undefined && html` <span class="muted">${section.text}</span>`;
  if (!folds) return html`<section><h6>${section.title}${text}</h6>${steps}</section>`;
  const outcome = last && html` <span class="muted">${last.name} = ${last.value}</span>`;
  return html`<details${open && html` open`}><summary>${section.title}${text}${outcome}</summary>${steps}</details>`;
}

function stepMarkup(step: TraceStep, budget: Budget): Html {
  return step.kind === 'operation' ? operationMarkup(step) : sumMarkup(step, budget);
}

function operationMarkup({ formula, operands, result, note }: Operation): Html {
  const inputs = operands.map((operand, i) => html`${i > 0 && ', '}${operand.name} ${both(operand)}`);
  return html`<li><span class="formula">${result.name} = ${powers(formula)}</span> = ${both(result)}${
    operands.length > 0 && html`<small>${inputs}</small>`
  }${note !== undefined && html`<small>${powers(note)}</small>`}</li>`;
}

function sumMarkup(sum: Sum, budget: Budget): Html {
  const fits = budget.terms >= sum.terms.length;
  if (fits) budget.terms -= sum.terms.length;
  return html`<li><span class="formula">${sum.result.name} = ${powers(sumWords(sum))}</span> = ${both(sum.result)}${
    sum.note !== undefined && html`<small>${powers(sum.note)}</small>`
  }${budget.pictures && alignedTermsFigure(sum)}${fits && termsMarkup(sum)}</li>`;
}

function termsMarkup(sum: Sum): Html {
  const { heads, rows } = termCells(sum);
  const label = `Products k ${rows[0]?.[0] ?? ''} to ${rows.at(-1)?.[0] ?? ''}`;
  const body = html`<tbody>${tableRows(heads, rows)}</tbody>${sumFoot(sum)}`;
  return html`<details class="terms"><summary>${plural(rows.length, 'product')}</summary>${tableAround(label, heads, body)}</details>`;
}

/** The accumulator's own row and the total of an aligned sum. */
function sumFoot(sum: Sum): Html | false {
  if (sum.total === undefined) return false;
  const heads = termCells(sum).heads;
  const accumulator = ['C', '', '', sum.accumulator.value, '', sum.accumulatorAligned ?? 0, sum.accumulatorCut ?? ''];
  return html`<tfoot>${tableRows(heads, [accumulator, ['sum', '', '', '', '', sum.total, '']])}</tfoot>`;
}
