import { formatValue } from '../../../parity/lanes.ts';
import type { PageContext } from '../../page.ts';
import { errorNotice, facts, panel } from '../../ui/blocks.ts';
import { fill, h } from '../../ui/dom.ts';
import { pageLink } from '../../ui/links.ts';
import { isInterrupted } from '../../ui/task.ts';
import { codeState, elementFacts, traceOf } from './element.ts';
import { type State, specOf } from './source.ts';
import type { QuantizeView } from './view.ts';

/** One element under both schemes. */
export interface ElementPanel {
  readonly element: HTMLElement;
  /** Tells an element in numbers that fit a glance. */
  point(views: readonly QuantizeView[], row: number, column: number): void;
  /** Writes out every operation of the element that the state names, where the matrix has it. */
  writeOut(views: readonly QuantizeView[], state: State): Promise<void>;
}

/** Builds the panel. */
export function elementPanel({ services, say }: Pick<PageContext<State>, 'services' | 'say'>): ElementPanel {
  const body = h('div', { class: 'columns' }, ...['', ''].map(() => h('div', { class: 'stack' })));
  const title = h('p', { class: 'small quiet', id: 'element-place' });
  const traces = h('div', { class: 'columns', id: 'traces' });
  let newest: object = {};

  const point: ElementPanel['point'] = (views, row, column) => {
    const [first] = views;
    if (first === undefined) return;
    const x = formatValue(first.values[row * first.columns + column]!);
    fill(
      title,
      `Row ${row}, column ${column}: x = ${x}. Point at a picture above or walk it with the arrow keys; click or Enter writes out every operation.`,
    );
    for (const [i, view] of views.entries())
      fill(
        body.children[i]!,
        h('h3', {}, view.preset),
        facts(elementFacts(view, row, column)),
        pageLink('Its code, bit by bit', 'formats', codeState(view, row, column)),
      );
  };
  return {
    element: panel('One element', title, body, traces),
    point,
    async writeOut(views, state) {
      const mine = {};
      newest = mine;
      const { row, column } = state;
      const [view] = views;
      fill(traces);
      if (view === undefined || row < 0 || column < 0 || row >= view.rows || column >= view.columns) return;
      point(views, row, column);
      try {
        const texts = await Promise.all(views.map((each) => traceOf(services, specOf(state, each), each, row, column)));
        if (mine !== newest) return;
        fill(
          traces,
          texts.map((text) =>
            h('pre', { tabindex: '0', class: 'trace', 'aria-label': 'Every operation of the element' }, text),
          ),
        );
        say(`Element ${row}, ${column} written out`);
      } catch (error) {
        if (mine === newest && !isInterrupted(error)) fill(traces, errorNotice(error));
      }
    },
  };
}
