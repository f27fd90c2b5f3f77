import { type Child, fill, h, uniqueId } from './dom.ts';

/** A control bound to a value: `show` brings it in line with the page's state without calling back. */
export interface Control<T> {
  readonly element: HTMLElement;
  show(value: T): void;
}

interface Common<T> {
  readonly label: string;
  readonly hint?: string;
  readonly onChange: (value: T) => void;
}

function labelled(label: string, input: HTMLElement, hint?: string, output?: HTMLElement): HTMLElement {
  const id = uniqueId('control');
  input.id = id;
  const note = hint === undefined ? undefined : h('span', { class: 'hint', id: `${id}-hint` }, hint);
  if (note !== undefined) input.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'control' }, h('label', { for: id }, label, output), input, note);
}

/** One of a list of names, with what each is called. */
export function choice<T extends string>(
  options: Common<T> & { readonly choices: readonly (T | readonly [value: T, text: string])[] },
): Control<T> {
  const entries = options.choices.map((entry) => (typeof entry === 'string' ? ([entry, entry] as const) : entry));
  const select = h(
    'select',
    { on: { change: () => options.onChange(select.value as T) } },
    entries.map(([value, text]) => h('option', { value }, text)),
  );
  return {
    element: labelled(options.label, select, options.hint),
    show(value) {
      select.value = value;
    },
  };
}

/** One of a few names, all in sight: radio buttons that look like one strip. */
export function segmented<T extends string>(
  options: Common<T> & { readonly choices: readonly (readonly [value: T, text: string])[] },
): Control<T> {
  const name = uniqueId('segment');
  const inputs = options.choices.map(([value]) =>
    h('input', { type: 'radio', name, value, on: { change: () => options.onChange(value) } }),
  );
  const labels = options.choices.map(([, text], i) => h('label', { class: 'segment' }, inputs[i], h('span', {}, text)));
  return {
    element: h('fieldset', { class: 'control segmented' }, h('legend', {}, options.label), h('div', {}, labels)),
    show(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}

/** A number on a line. `text` says it in words beside the label. */
export function slider(
  options: Common<number> & {
    readonly min: number;
    readonly max: number;
    readonly step?: number;
    readonly text?: (value: number) => string;
  },
): Control<number> {
  const text = options.text ?? String;
  const output = h('output', { class: 'value' });
  const read = () => Number(input.value);
  const tell = (value: number) => {
    fill(output, text(value));
    input.setAttribute('aria-valuetext', text(value));
  };
  const input = h('input', {
    type: 'range',
    min: options.min,
    max: options.max,
    step: options.step ?? 1,
    on: {
      input: () => {
        tell(read());
        options.onChange(read());
      },
    },
  });
  return {
    element: labelled(options.label, input, options.hint, output),
    show(value) {
      input.value = String(value);
      tell(value);
    },
  };
}

/** A number that is typed. What is no number is marked and not passed on. */
export function numberField(
  options: Common<number> & { readonly parse?: (text: string) => number; readonly format?: (value: number) => string },
): Control<number> {
  const parse = options.parse ?? Number;
  const format = options.format ?? String;
  const input = h('input', {
    type: 'text',
    inputmode: 'decimal',
    autocomplete: 'off',
    spellcheck: 'false',
    on: {
      input: () => {
        const value = input.value.trim() === '' ? Number.NaN : parse(input.value.trim());
        const bad = Number.isNaN(value) && !/^nan$/i.test(input.value.trim());
        input.setAttribute('aria-invalid', String(bad));
        if (!bad) options.onChange(value);
      },
    },
  });
  return {
    element: labelled(options.label, input, options.hint),
    show(value) {
      if (document.activeElement === input && Object.is(parse(input.value.trim()), value)) return;
      input.value = format(value);
      input.setAttribute('aria-invalid', 'false');
    },
  };
}

/** On or off. */
export function toggle(options: Common<boolean>): Control<boolean> {
  const input = h('input', { type: 'checkbox', on: { change: () => options.onChange(input.checked) } });
  return {
    element: h('div', { class: 'control toggle' }, h('label', {}, input, h('span', {}, options.label))),
    show(value) {
      input.checked = value;
    },
  };
}

/** A button. `kind` decides how loud it is. */
export function button(
  text: Child,
  onClick: () => void,
  {
    kind = 'plain',
    ...rest
  }: { kind?: 'plain' | 'primary' | 'quiet' | 'chip' | 'link'; [attribute: string]: unknown } = {},
): HTMLButtonElement {
  return h('button', { type: 'button', class: kind, on: { click: onClick }, ...rest }, text);
}
