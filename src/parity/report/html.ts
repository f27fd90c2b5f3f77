/** Markup that is safe to put into a page as it is. */
export interface Html {
  readonly markup: string;
}

/** What a template takes: text is escaped, markup is not, lists are joined, nothing is nothing. */
export type HtmlPart = Html | string | number | undefined | false | readonly HtmlPart[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function markupOf(part: HtmlPart): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') {
    return String(part).replace(/[&<>"']/g, (character) => entities[character]!);
  }
  return 'markup' in part ? part.markup : part.map(markupOf).join('');
}

/** A template of markup: every value is escaped unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return { markup: strings.reduce((text, string, i) => text + markupOf(parts[i - 1]) + string) };
}

/** Text with its powers of two set as such: `2^-8`. */
export function powers(text: string): Html {
  const parts = text.split(/(2\^-?\d+)/);
  return html`${parts.map((part, i) => (i % 2 === 0 ? part : html`2<sup>${part.slice(2).replace('-', '\u2212')}</sup>`))}`;
}

/** Markup made by a library, taken as it is. */
export const trusted = (markup: string): Html => ({ markup });

const integers = new Intl.NumberFormat('en-US');

/** An integer with thousands separated. */
export const count = (n: number): string => integers.format(n);

/** `1 element`, `2 elements`. */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

/** A measured number in four digits. */
export function measured(x: number | null, unit = ''): string {
  if (x === null) return 'none';
  const size = Math.abs(x);
  const text = x === 0 || (size >= 1e-3 && size < 1e6) ? String(Number(x.toPrecision(4))) : x.toExponential(2);
  return unit === '' ? text : `${text} ${unit}`;
}

/** A share as per cent. */
export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** Wall-clock milliseconds for people. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(1, Math.floor(milliseconds))} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
