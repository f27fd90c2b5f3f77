import type * as PlotModule from '@observablehq/plot';
import { fill, h } from './dom.ts';

type Plot = typeof PlotModule;

let loaded: Promise<Plot> | undefined;

/** A chart of Observable Plot, which is loaded with the first one. */
export interface Chart {
  readonly element: HTMLElement;
  /** Draws anew; `label` says in words what is seen. */
  show(label: string, options: (plot: Plot, width: number) => PlotModule.PlotOptions): Promise<void>;
  /** The picture, once there is one. */
  svg(): SVGSVGElement | null;
}

/** Builds an empty chart. It is drawn again where its place changes its width. */
export function chart(): Chart {
  const element = h('div', { class: 'chart' });
  let last: { label: string; options: (plot: Plot, width: number) => PlotModule.PlotOptions } | undefined;
  let drawn = 0;
  /** Width of the place, as the observer tells it: to ask would make the browser lay the page out. */
  let room = 0;
  const draw = async () => {
    if (last === undefined) return;
    const { label, options } = last;
    loaded ??= import('@observablehq/plot');
    const plot = await loaded;
    if (last.options !== options) return;
    room ||= element.clientWidth;
    const width = Math.max(Math.min(room || 640, 1100), 280);
    drawn = room;
    const picture = plot.plot({ style: { background: 'none', fontSize: '12px' }, ...options(plot, width), width });
    // Its style element holds rules that components.css has: the page's policy forbids styles in the page.
    for (const style of picture.querySelectorAll('style')) style.remove();
    const svg = picture instanceof SVGSVGElement ? picture : picture.querySelector(':scope > svg');
    svg?.setAttribute('role', 'img');
    svg?.setAttribute('aria-label', label);
    for (const group of svg?.querySelectorAll('[aria-label]') ?? []) group.removeAttribute('aria-label');
    fill(element, picture);
  };
  new ResizeObserver(([entry]) => {
    room = Math.round(entry!.contentRect.width);
    if (last !== undefined && Math.abs(room - drawn) > 24) void draw();
  }).observe(element);
  return {
    element,
    async show(label, options) {
      last = { label, options };
      await draw();
    },
    svg: () => element.querySelector(':scope > svg, :scope > figure > svg'),
  };
}
