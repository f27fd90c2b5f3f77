import { h } from './dom.ts';

/** A word above a result that is of something else than what now stands on the page. */
export interface Outdated {
  readonly element: HTMLElement;
  /** A result is shown, of this; undefined once none is. */
  shown(of: string | undefined): void;
  /** What a result would be of now. */
  now(of: string): void;
}

/** Builds the word, hidden as long as there is nothing to say. */
export function outdated(): Outdated {
  const element = h(
    'p',
    { class: 'outdated small bad-text', role: 'status', hidden: true },
    'Changed since: run it again.',
  );
  let result: string | undefined;
  let present = '';
  const tell = () => {
    element.hidden = result === undefined || result === present;
  };
  return {
    element,
    shown(of) {
      result = of;
      tell();
    },
    now(of) {
      present = of;
      tell();
    },
  };
}
