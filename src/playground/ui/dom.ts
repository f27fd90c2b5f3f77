/** What may stand inside an element. */
export type Child = Node | string | number | null | undefined | false | readonly Child[];

type Listeners = { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

/**
 * Attributes of an element by their HTML names. `true` is the empty attribute, `false` and `undefined` leave it out.
 * `on` adds listeners; `style` sets properties through the CSSOM, which a strict content security policy allows.
 */
export interface Props {
  readonly class?: string;
  readonly on?: Listeners;
  readonly style?: Readonly<Record<string, string>>;
  readonly [attribute: string]: unknown;
}

/** Set as properties: their attributes are only the initial value. */
const properties = new Set(['value', 'checked', 'disabled', 'selected', 'hidden', 'open', 'indeterminate']);

/** An HTML element. Text is always text: nothing here parses markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  apply(element, props);
  append(element, children);
  return element;
}

/** An SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  apply(element, props);
  append(element, children);
  return element;
}

function apply(element: HTMLElement | SVGElement, { on = {}, style = {}, ...attributes }: Props): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (properties.has(name)) (element as unknown as Record<string, unknown>)[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  for (const [type, listener] of Object.entries(on)) element.addEventListener(type, listener as EventListener);
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

let ids = 0;

/** An id that no other element of the page has. */
export function uniqueId(prefix: string): string {
  ids++;
  return `${prefix}-${ids}`;
}
