import type { Services } from './services/services.ts';
import type { Fields } from './state.ts';
import type { PageIntro } from './ui/blocks.ts';
import type { Child } from './ui/dom.ts';

/** What a page is given. */
export interface PageContext<S> {
  readonly services: Services;
  /** State as the address has it. */
  readonly state: S;
  /** Changes part of the state: the address follows, and the page is told through `update`. */
  set(change: Partial<S>): void;
  /** Aborted when the page is left. */
  readonly signal: AbortSignal;
  /** Says something to screen readers. */
  say(text: string): void;
  /** The full address of the present state. */
  link(): string;
  /** Shows a message at the head of the page. */
  tell(kind: 'info' | 'bad', ...children: readonly Child[]): void;
}

/** A page on the screen. */
export interface PageView<S> {
  /** Brings the page in line with a state: after `set`, on the way back and forth, and when the theme changes. */
  update(state: S): void;
}

/** A page: its head, the state its links carry, and how it is built. */
export interface PageModule<S extends object> {
  readonly intro: PageIntro;
  readonly fields: Fields<S>;
  mount(root: HTMLElement, context: PageContext<S>): PageView<S>;
}
