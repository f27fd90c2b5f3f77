import { button } from './controls.ts';
import { h, uniqueId } from './dom.ts';

/** A modal dialog; the platform keeps the focus inside and closes it with Escape. Returns what opens it. */
export function dialog(title: string, body: HTMLElement): { element: HTMLDialogElement; open: () => void } {
  const id = uniqueId('dialog');
  const element = h(
    'dialog',
    { 'aria-labelledby': id },
    h(
      'div',
      { class: 'dialog-head' },
      h('h2', { id }, title),
      button('Close', () => element.close(), { kind: 'quiet' }),
    ),
    body,
  );
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  return { element, open: () => element.showModal() };
}
