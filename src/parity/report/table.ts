import { type Html, type HtmlPart, html, powers } from './html.ts';

/** A column: its head, and whether it holds sentences, which stand to the left and wrap. */
export type Column = string | { readonly text: string };

/** A table's rows; the first cell of each is its header. */
export type Rows = readonly (readonly HtmlPart[])[];

function headMarkup(column: Column): Html {
  return typeof column === 'string'
    ? html`<th scope="col">${powers(column)}</th>`
    : html`<th scope="col" class="text">${column.text}</th>`;
}

/** Rows of a table body. */
export function tableRows(columns: readonly Column[], rows: Rows): Html {
  const cell = (part: HtmlPart, i: number): Html => {
    if (i === 0) return html`<th scope="row">${part}</th>`;
    return typeof columns[i] === 'string' ? html`<td>${part}</td>` : html`<td class="text">${part}</td>`;
  };
  return html`${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}`;
}

/** A table that scrolls sideways in a region of its own, which the keyboard reaches; `label` names it. `body` is its tbody and what follows. */
export function tableAround(label: string, columns: readonly Column[], body: HtmlPart, className = ''): Html {
  return html`<div class="scroll ${className}" tabindex="0" role="region" aria-label="${label}"><table>
<thead><tr>${columns.map(headMarkup)}</tr></thead>
${body}</table></div>`;
}

/** A plain table. */
export function table(label: string, columns: readonly Column[], rows: Rows, className = ''): Html {
  return tableAround(label, columns, html`<tbody>${tableRows(columns, rows)}</tbody>`, className);
}
