import { type FormatName, formats } from '../../../numerics/formats.ts';
import { fill, h } from '../../ui/dom.ts';
import { describeCode, shortValue } from './model.ts';

const signs = { zero: '0', subnormal: 'sub', normal: '', infinity: '∞', nan: 'NaN' } as const;

/** All codes of a format of at most 8 bits as a grid; the one chosen is marked, arrows walk it. */
export function codeTable(onCode: (code: number) => void): {
  element: HTMLElement;
  show: (format: FormatName, code: number) => void;
} {
  const element = h('div', { class: 'scroll' });
  let shown: FormatName | undefined;
  let cells: HTMLElement[] = [];
  let chosen = 0;
  const columns = 16;
  element.addEventListener('click', (event) => {
    const code = (event.target as HTMLElement).closest<HTMLElement>('[data-code]')?.dataset.code;
    if (code !== undefined) onCode(Number(code));
  });
  element.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const next = chosen + (move ?? 0);
    if (move === undefined || next < 0 || next >= cells.length) return;
    event.preventDefault();
    onCode(next);
    cells[next]!.focus();
  });

  const build = (format: FormatName) => {
    const count = 2 ** formats[format].bits;
    cells = Array.from({ length: count }, (_, code) => cellOf(code, format));
    const rows = Array.from({ length: Math.ceil(count / columns) }, (_, row) =>
      h(
        'div',
        { role: 'row', class: 'code-row' },
        h('span', { role: 'rowheader', class: 'code-head' }, `${row.toString(16).toUpperCase()}·`),
        cells.slice(row * columns, (row + 1) * columns),
      ),
    );
    const heads = Array.from({ length: columns }, (_, i) =>
      h('span', { role: 'columnheader', class: 'code-head' }, `·${i.toString(16).toUpperCase()}`),
    );
    fill(
      element,
      h(
        'div',
        { role: 'grid', class: 'codes', 'aria-label': `All ${count} codes of ${format}` },
        h(
          'div',
          { role: 'row', class: 'code-row' },
          h('span', { role: 'columnheader', class: 'code-head' }, h('span', { class: 'hidden' }, 'high digit')),
          heads,
        ),
        rows,
      ),
    );
  };

  return {
    element,
    show(format, code) {
      if (formats[format].bits > 8) {
        shown = undefined;
        fill(
          element,
          h(
            'p',
            { class: 'quiet' },
            `${format} has ${(2 ** formats[format].bits).toLocaleString('en')} codes: too many for a table.`,
          ),
        );
        return;
      }
      if (format !== shown) build(format);
      shown = format;
      cells[chosen]?.setAttribute('tabindex', '-1');
      cells[chosen]?.removeAttribute('aria-selected');
      chosen = code;
      cells[code]?.setAttribute('tabindex', '0');
      cells[code]?.setAttribute('aria-selected', 'true');
    },
  };
}

function cellOf(code: number, format: FormatName): HTMLElement {
  const { kind, value, hex } = describeCode(code, format);
  const text = kind === 'nan' ? 'NaN' : shortValue(value);
  return h(
    'button',
    {
      type: 'button',
      role: 'gridcell',
      class: `code ${kind}`,
      'data-code': code,
      tabindex: '-1',
      title: `${hex}: ${value}`,
    },
    h('span', {}, text),
    kind === 'subnormal' && h('span', { class: 'kind' }, signs[kind]),
  );
}
