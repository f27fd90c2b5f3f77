import { type Child, h, uniqueId } from './dom.ts';

/** What a page says of itself, at its head. */
export interface PageIntro {
  readonly title: string;
  /** What one sees. */
  readonly sees: string;
  /** Why it matters. */
  readonly matters: string;
  /** Where the paper says it. */
  readonly source: string;
  /** Where one would go from here: what is there, and the link. */
  readonly next: readonly { readonly text: string; readonly hash: string }[];
}

/** The head of a page: title, two sentences, the paper's section. */
export function pageHead({ title, sees, matters, source }: PageIntro): HTMLElement {
  return h(
    'header',
    { class: 'page-head' },
    h('p', { class: 'source' }, source),
    h('h1', { tabindex: '-1' }, title),
    h('p', { class: 'lead' }, sees, ' ', matters),
  );
}

/** The foot of a page: where to go from here. */
export function pageFoot({ next }: PageIntro): HTMLElement {
  return h(
    'nav',
    { class: 'read-on', 'aria-label': 'From here' },
    h('span', { class: 'quiet' }, 'From here'),
    next.map(({ text, hash }) => h('a', { href: hash }, text)),
  );
}

/** A titled part of a page. */
export function panel(title: Child, ...children: readonly Child[]): HTMLElement {
  const id = uniqueId('panel');
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children);
}

/** A row of controls. */
export function controls(...children: readonly Child[]): HTMLElement {
  return h('div', { class: 'controls' }, ...children);
}

/** Name and value pairs. */
export function facts(entries: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  return h(
    'dl',
    { class: 'facts' },
    entries.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

/** How a table's column reads. */
export interface Column {
  readonly head: Child;
  /** Numbers stand right, text left. */
  readonly text?: boolean;
}

/** A table that scrolls sideways where it is too wide; focusable so that the keyboard can scroll it. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Child[])[],
  { hideCaption = true } = {},
): HTMLElement {
  const kind = (i: number) => (columns[i]?.text ? 'text' : undefined);
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${caption}, table` },
    h(
      'table',
      {},
      h('caption', { class: hideCaption ? 'hidden' : undefined }, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map(({ head }, i) => h('th', { scope: 'col', class: kind(i) }, head)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((cells) =>
          h(
            'tr',
            {},
            cells.map((cell, i) =>
              i === 0 ? h('th', { scope: 'row', class: kind(i) }, cell) : h('td', { class: kind(i) }, cell),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A message that stands in the page. `bad` is an alert. */
export function notice(kind: 'info' | 'bad' | 'good', ...children: readonly Child[]): HTMLElement {
  const sign = { info: 'i', bad: '!', good: '✓' }[kind];
  return h(
    'div',
    { class: `notice ${kind}`, role: kind === 'bad' ? 'alert' : 'status' },
    h('span', { class: 'sign', 'aria-hidden': 'true' }, sign),
    h('div', {}, ...children),
  );
}

/** A message as a sentence: ended where it does not end itself. */
export const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);

/** An error as the reader needs it: what, where, what to do. */
export function errorNotice(error: unknown): HTMLElement {
  const { message, fix, where } = error as { message?: string; fix?: string; where?: string };
  return notice(
    'bad',
    h('p', {}, h('strong', {}, message ?? String(error))),
    fix && h('p', {}, `To mend it: ${sentence(fix)}`, where && h('span', { class: 'quiet' }, ` (${where})`)),
  );
}
