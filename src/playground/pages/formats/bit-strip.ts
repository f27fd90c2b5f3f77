import { fill, h } from '../../ui/dom.ts';
import type { BitField, CodeView } from './model.ts';

const letters: Readonly<Record<BitField, string>> = { sign: 'S', exponent: 'E', mantissa: 'M' };

/** The bits of a code: click one to flip it, drag to paint, arrows to walk the codes. */
export function bitStrip(onCode: (code: number) => void): { element: HTMLElement; show: (view: CodeView) => void } {
  const strip = h('div', { class: 'bits', role: 'group', 'aria-label': 'Bits of the code, highest first' });
  let code = 0;
  let width = 0;
  /** What a drag writes, set by the bit it began on. */
  let painting: boolean | undefined;

  const write = (i: number, set: boolean) => {
    const weight = 2 ** (width - 1 - i);
    const isSet = Math.floor(code / weight) % 2 === 1;
    if (isSet !== set) onCode(code + (set ? weight : -weight));
  };
  const bitOf = (target: EventTarget | null) => {
    const at = (target as HTMLElement | null)?.closest<HTMLElement>('[data-bit]')?.dataset.bit;
    return at === undefined ? undefined : Number(at);
  };
  strip.addEventListener('pointerdown', (event) => {
    const i = bitOf(event.target);
    if (i === undefined || event.button !== 0) return;
    // Without capture the pointer meets the other bits on its way.
    (event.target as HTMLElement).releasePointerCapture?.(event.pointerId);
    painting = Math.floor(code / 2 ** (width - 1 - i)) % 2 === 0;
    write(i, painting);
  });
  strip.addEventListener('pointerover', (event) => {
    const i = bitOf(event.target);
    if (painting !== undefined && event.buttons === 1 && i !== undefined) write(i, painting);
  });
  addEventListener('pointerup', () => {
    painting = undefined;
  });
  strip.addEventListener('keydown', (event) => {
    const i = bitOf(event.target);
    if (i === undefined) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (move !== undefined) strip.querySelector<HTMLElement>(`[data-bit="${i + move}"]`)?.focus();
    else if (step !== undefined) onCode((code + step + 2 ** width) % 2 ** width);
    else if (event.key === ' ' || event.key === 'Enter') write(i, Math.floor(code / 2 ** (width - 1 - i)) % 2 === 0);
    else return;
    event.preventDefault();
  });

  const build = (view: CodeView) => {
    const cells = view.bits.map(({ field }, i) => {
      const first = i === 0 || view.bits[i - 1]!.field !== field;
      return h(
        'button',
        { type: 'button', class: `bit ${field}`, 'data-bit': i, 'data-first': first },
        h('span', { class: 'digit' }),
        h('span', { class: 'letter', 'aria-hidden': 'true' }, letters[field]),
        h('span', { class: 'hidden' }, `bit ${view.bits.length - 1 - i}, ${field}`),
      );
    });
    fill(strip, ...cells);
  };
  let fields = '';
  return {
    element: strip,
    show(view) {
      code = view.code;
      width = view.bits.length;
      const wanted = view.bits.map(({ field }) => letters[field]).join('');
      if (wanted !== fields) build(view);
      fields = wanted;
      strip.classList.toggle('wide', width > 16);
      for (const [i, { set }] of view.bits.entries()) {
        const cell = strip.children[i] as HTMLElement;
        cell.firstElementChild!.textContent = set ? '1' : '0';
        cell.setAttribute('aria-pressed', String(set));
      }
    },
  };
}
