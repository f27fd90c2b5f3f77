import { linkVersion } from '../state.ts';
import { h } from './dom.ts';

/** The part of an address behind `#` that leads to a page in a state; what is left out has its default. */
export function pageHash(page: string, state: Readonly<Record<string, string | number>> = {}): string {
  const parameters = new URLSearchParams({ v: linkVersion });
  for (const [name, value] of Object.entries(state)) parameters.set(name, String(value));
  return `#/${page}?${parameters}`;
}

/** A link to another page. */
export const pageLink = (text: string, page: string, state: Readonly<Record<string, string | number>> = {}) =>
  h('a', { href: pageHash(page, state), class: 'page-link' }, text);
