import { fill, h } from './dom.ts';

/** A picture that is drawn for the width it has, so that its text keeps its size on a phone and on a wide screen. */
export interface Sized {
  readonly element: HTMLElement;
  /** Draws anew: what it shows has changed. */
  redraw(): void;
  /** The picture, where there is one. */
  svg(): SVGSVGElement | undefined;
}

const least = 250;

/** Builds a place for a picture; `draw` gets its width in pixels, `most` at most, and is called again when that changes. */
export function sized(draw: (width: number) => SVGSVGElement | undefined, most = 1100): Sized {
  const element = h('div', { class: 'sized' });
  let picture: SVGSVGElement | undefined;
  /** Width of the place, as the observer tells it: to ask would make the browser lay the page out. */
  let room = 0;
  let drawn = 0;
  const widthFor = (place: number) => Math.min(Math.max(place, least), most);
  const redraw = () => {
    room ||= element.clientWidth;
    drawn = widthFor(room || 640);
    picture = draw(drawn);
    fill(element, picture);
  };
  new ResizeObserver(([entry]) => {
    room = Math.round(entry!.contentRect.width);
    if (room > 0 && widthFor(room) !== drawn && drawn > 0) redraw();
  }).observe(element);
  return { element, redraw, svg: () => picture };
}
