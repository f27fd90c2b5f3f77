import { sentence } from './blocks.ts';
import { button } from './controls.ts';
import { fill, h } from './dom.ts';

/** One line that says what the adapter gave, held against the reference. */
export interface CheckLine {
  readonly element: HTMLElement;
  /** Says it; `kind` decides how. Without text the line is empty. */
  say(text: string, kind?: 'good' | 'bad' | 'quiet'): void;
  /** Says why there is no answer, beside a button that asks again. */
  failed(error: unknown, again: () => void): void;
}

/** Builds an empty line. */
export function checkLine(attributes: Readonly<Record<string, unknown>> = {}): CheckLine {
  const element = h('p', { role: 'status', ...attributes });
  const say: CheckLine['say'] = (text, kind = 'quiet') => {
    element.className = `small ${kind === 'quiet' ? 'quiet' : `${kind}-text`}`;
    fill(element, text);
  };
  say('');
  return {
    element,
    say,
    failed(error, again) {
      say(`Not run on the adapter: ${sentence((error as Error).message)} `);
      element.append(button('Try again', again, { kind: 'link', 'data-again': 'true' }));
    },
  };
}
