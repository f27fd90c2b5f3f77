import type { FormatName, Overflow } from '../../../numerics/formats.ts';
import { formatValue } from '../../../parity/lanes.ts';
import { fill, h } from '../../ui/dom.ts';
import { overflowOf, stochasticCounts } from './model.ts';

/** Draws of a full histogram. */
export const drawCount = 4096;
const perFrame = 64;

/** Draws that grow before the eye; all at once where motion is not wanted. */
export function createHistogram(signal: AbortSignal): {
  element: HTMLElement;
  show: (x: number, format: FormatName, overflow: Overflow) => void;
} {
  const element = h('div', { class: 'draws', id: 'draws' });
  let frame = 0;
  signal.addEventListener('abort', () => cancelAnimationFrame(frame));
  return {
    element,
    show(x, format, overflow) {
      cancelAnimationFrame(frame);
      const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
      let draws = still ? drawCount : perFrame;
      const grow = () => {
        draw(element, x, stochasticCounts(x, format, overflowOf(format, overflow), draws), draws);
        if (draws >= drawCount) return;
        draws = Math.min(draws + perFrame, drawCount);
        frame = requestAnimationFrame(grow);
      };
      grow();
    },
  };
}

function draw(element: HTMLElement, x: number, counts: ReturnType<typeof stochasticCounts>, draws: number): void {
  const mean = counts.reduce((sum, { value, count }) => sum + value * count, 0) / draws;
  fill(
    element,
    counts.map(({ value, count }) => {
      const share = (100 * count) / draws;
      return h(
        'div',
        { class: 'draw' },
        h('span', { class: 'mono' }, formatValue(value)),
        h('span', { class: 'track' }, h('span', { class: 'part', style: { width: `${share}%` } })),
        h('span', {}, `${share.toFixed(1)} %`),
      );
    }),
    h(
      'p',
      { class: 'small quiet' },
      `${draws.toLocaleString('en')} draws; their mean is ${formatValue(Math.fround(mean))}, x is ${formatValue(Math.fround(x))}.`,
    ),
  );
}
