import { button } from './ui/controls.ts';
import { fill, h } from './ui/dom.ts';

interface Step {
  readonly title: string;
  readonly text: string;
  /** The link that shows it. */
  readonly hash: string;
}

/** Why DeepSeek-V3 trains in FP8 the way it does, in five steps. */
export const steps: readonly Step[] = [
  {
    title: 'Eight bits, 256 values',
    text: 'An e4m3 number has 3 mantissa bits: 0.3 becomes 0.3125, and past 448 there is nothing. Drag the bits; watch how the gaps grow with the value.',
    hash: '#/formats?v=1&x=0.3',
  },
  {
    title: 'One outlier ruins its neighbours',
    text: 'Three channels of 512 are very large. With one scale for the tensor, the rest falls into the gaps near zero. A scale for each 1×128 tile confines the damage.',
    hash: '#/quantize?v=1',
  },
  {
    title: 'The tensor core cuts bits off',
    text: 'Hopper aligns 32 products to the largest one and keeps 13 bits below it. Everything to the right of the line is gone before the sum begins.',
    hash: '#/tensor-core?v=1&operands=spread',
  },
  {
    title: 'So the sum is moved out in time',
    text: 'The longer the sum runs, the more is cut. Moving it to full precision every 128 terms (promotion) keeps the error flat: DeepSeek-V3’s choice.',
    hash: '#/tensor-core?v=1&operands=spread&at=curve',
  },
  {
    title: 'Now on your own machine',
    text: 'The same arithmetic, in integers, in WGSL. Run it on your adapter and hold it against outputs recorded on an H100, bit by bit.',
    hash: '#/parity?v=1',
  },
];

/** The guided tour: a card that leads from page to page. */
export function createTour(go: (hash: string) => void): { element: HTMLElement; start: () => void } {
  const title = h('h2', { tabindex: '-1' });
  const text = h('p', {});
  const count = h('span', { class: 'small quiet' });
  const back = button('Back', () => show(at - 1), { kind: 'quiet' });
  const next = button('Next', () => (at === steps.length - 1 ? close() : show(at + 1)), { kind: 'primary' });
  const element = h(
    'aside',
    { class: 'tour', hidden: true, 'aria-label': 'Guided tour' },
    h(
      'div',
      { class: 'row' },
      count,
      button('Leave the tour', () => close(), { kind: 'quiet' }),
    ),
    title,
    text,
    h('div', { class: 'row' }, back, next),
  );
  element.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
  });
  let at = 0;
  const close = () => {
    element.hidden = true;
    document.body.classList.remove('with-tour');
  };
  const show = (step: number) => {
    at = step;
    const { title: name, text: words, hash } = steps[at]!;
    fill(title, name);
    fill(text, words);
    fill(count, `Step ${at + 1} of ${steps.length}`);
    back.disabled = at === 0;
    fill(next, at === steps.length - 1 ? 'Done' : 'Next');
    go(hash);
    title.focus({ preventScroll: true });
  };
  const start = () => {
    element.hidden = false;
    document.body.classList.add('with-tour');
    show(0);
  };
  return { element, start };
}
