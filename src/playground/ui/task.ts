import { button } from './controls.ts';
import { fill, h } from './dom.ts';

/** Something that takes a while: how far it is, and a way out. */
export interface Task {
  readonly element: HTMLElement;
  /** Starts it: the bar shows until it is ended. Aborts the one before. */
  begin(what: string): AbortSignal;
  /** `share` from 0 to 1. */
  progress(share: number, what?: string): void;
  end(): void;
}

/** A progress bar with a cancel button; aborted when the page is left. */
export function task(pageSignal: AbortSignal): Task {
  const text = h('span', { class: 'small quiet' });
  const bar = h('progress', { max: 1, 'aria-label': 'Progress' });
  let controller: AbortController | undefined;
  const cancel = button('Cancel', () => controller?.abort(), { kind: 'quiet' });
  const element = h(
    'div',
    { class: 'task', hidden: true, role: 'status' },
    h('div', { class: 'row' }, text, cancel),
    bar,
  );
  pageSignal.addEventListener('abort', () => controller?.abort());
  return {
    element,
    begin(what) {
      controller?.abort();
      controller = new AbortController();
      fill(text, what);
      bar.removeAttribute('value');
      element.hidden = false;
      return controller.signal;
    },
    progress(share, what) {
      bar.value = share;
      if (what !== undefined) fill(text, what);
    },
    end() {
      element.hidden = true;
    },
  };
}

/** True for the error of work that was called off: nothing to tell. */
export function isInterrupted(error: unknown): boolean {
  return (error as { kind?: string } | null)?.kind === 'interrupted';
}
