import { button } from '../../ui/controls.ts';
import { type Child, fill, h, s } from '../../ui/dom.ts';
import { type Block, type Lane, type TimelineView, timeText } from './view.ts';
import { moved, showing, type TimeWindow, ticksOf, within, zoomed } from './window.ts';

/** A timeline that is zoomed and walked through. */
export interface Timeline {
  readonly element: HTMLElement;
  /** Draws; without a window, the whole. */
  show(view: TimelineView, window?: TimeWindow): void;
  /** The picture as it is seen. */
  svg(): SVGSVGElement | null;
}

/** How a timeline is made. */
export interface TimelineOptions {
  readonly label: string;
  /** An operation in words. */
  readonly describe: (block: Block, lane: Lane) => string;
  /** What is in sight has changed by the reader's hand. */
  readonly onWindow?: (window: TimeWindow) => void;
}

const rowHeight = 30;
const portHeight = 16;
const axisHeight = 26;
/** Below this width names stand above their rows. */
const wide = 640;

/** Colour of a kind of operation, of the page's own. */
export const kindColour = (kind: string): string => `var(--op-${kind.toLowerCase().replaceAll(' ', '-')})`;

interface Placed {
  readonly y: number;
  readonly height: number;
}

/** Builds a timeline; `show` fills it. */
export function timeline({ label, describe, onWindow }: TimelineOptions): Timeline {
  const stage = h('div', {
    class: 'timeline',
    tabindex: '0',
    role: 'application',
    'aria-roledescription': 'timeline',
    'aria-label': `${label}; arrow keys walk through operations and lanes, plus and minus zoom, shift with arrows moves, 0 shows all`,
  });
  const detail = h('p', { class: 'timeline-detail small', role: 'status' });
  const hint = 'Point at an operation, or walk through them with the arrow keys.';
  let view: TimelineView | undefined;
  let window_: TimeWindow = { from: 0, to: 1 };
  let rows: Placed[] = [];
  let left = 0;
  let width = 0;
  let chosen: Block | undefined;
  let walked = false;

  const timeAt = (x: number) => window_.from + ((x - left) / (width - left)) * (window_.to - window_.from);
  const place = (time: number) => left + ((time - window_.from) / (window_.to - window_.from)) * (width - left);

  const draw = () => {
    if (view === undefined) return;
    width = Math.max(stage.clientWidth, 280);
    const roomy = width >= wide;
    left = roomy ? 178 : 0;
    let y = 4;
    rows = view.lanes.map(({ link }, i) => {
      const height = link ? portHeight : rowHeight;
      // Lanes of another GPU stand apart.
      const apart = !link && view!.lanes[i - 1]?.link ? 12 : 0;
      y += apart + (roomy ? 0 : 17);
      const row = { y, height };
      y += height + 6;
      return row;
    });
    fill(stage, picture(view, y, roomy));
  };

  const picture = (shown: TimelineView, bottom: number, roomy: boolean): SVGSVGElement =>
    s(
      'svg',
      {
        viewBox: `0 0 ${width} ${bottom + axisHeight}`,
        width,
        height: bottom + axisHeight,
        'aria-hidden': 'true',
        class: 'timeline-picture',
      },
      axis(bottom),
      shown.lanes.map(({ name, note, link }, i) => {
        const { y, height } = rows[i]!;
        const base = roomy ? y + height / 2 + 4 : y - 4;
        return [
          s(
            'text',
            { x: 0, y: base, fill: 'var(--ink)', 'font-size': 12 },
            link ? name.replace(/^GPU \d+, /, '') : name,
          ),
          roomy &&
            !link &&
            s('text', { x: left - 10, y: base, fill: 'var(--ink-2)', 'font-size': 11, 'text-anchor': 'end' }, note),
          s('line', { x1: left, x2: width, y1: y + height, y2: y + height, stroke: 'var(--line)' }),
        ];
      }),
      blocksInSight(shown).map(drawn),
      chosen && outline(chosen),
    );

  const axis = (bottom: number): Child => {
    const times = ticksOf(window_, Math.max(2, Math.floor((width - left) / 110)));
    return times.map((time) => {
      const x = place(time);
      return [
        s('line', { x1: x, x2: x, y1: 0, y2: bottom, stroke: 'var(--line)' }),
        s(
          'text',
          {
            x: Math.min(Math.max(x, left + 18), width - 22),
            y: bottom + 16,
            'text-anchor': 'middle',
            fill: 'var(--ink-2)',
            'font-size': 11,
          },
          tickText(time, window_),
        ),
      ];
    });
  };

  /** Blocks that are seen: of those narrower than half a pixel one stands for its neighbours. */
  const blocksInSight = ({ blocks }: TimelineView): readonly Block[] => {
    const last = new Map<number, number>();
    const pixel = (window_.to - window_.from) / (width - left) / 2;
    return blocks.filter(({ lane, start, end }) => {
      if (end <= window_.from || start >= window_.to) return false;
      if (end - start >= pixel) return true;
      if (start < (last.get(lane) ?? Number.NEGATIVE_INFINITY) + pixel) return false;
      last.set(lane, start);
      return true;
    });
  };

  const drawn = (block: Block): Child => {
    const { y, height } = rows[block.lane]!;
    const x = Math.max(place(block.start), left);
    const size = Math.max(Math.min(place(block.end), width) - x, 0.5);
    const full = block.share === undefined ? 1 : Math.min(1, Math.max(block.share, 0.06));
    const rect = s('rect', {
      x,
      y: y + height * (1 - full),
      width: size,
      height: height * full,
      rx: size > 6 ? 2 : 0,
      fill: kindColour(block.kind),
      'fill-opacity': block.micro === 0 ? 1 : 0.6,
      stroke: size > 3 ? 'var(--surface)' : 'none',
      'stroke-width': 0.8,
    });
    const fits = block.share === undefined && size > 16 + 6.6 * block.kind.length;
    if (!fits) return rect;
    return [
      rect,
      s(
        'text',
        {
          x: x + size / 2,
          y: y + height / 2 + 4,
          'text-anchor': 'middle',
          'font-size': 11,
          fill: block.micro === 0 ? 'var(--op-text)' : 'var(--op-text-pale)',
        },
        block.kind,
      ),
    ];
  };

  const outline = (block: Block): Child => {
    if (block.end <= window_.from || block.start >= window_.to) return undefined;
    const { y, height } = rows[block.lane]!;
    const x = Math.max(place(block.start), left);
    const size = Math.max(Math.min(place(block.end), width) - x, 2);
    return s('rect', {
      x,
      y: y - 1,
      width: size,
      height: height + 2,
      fill: 'none',
      stroke: 'var(--ink)',
      'stroke-width': 2,
      class: 'timeline-chosen',
    });
  };

  const look = (next: TimeWindow) => {
    window_ = next;
    draw();
    onWindow?.(next);
  };
  const choose = (block: Block | undefined) => {
    if (block === chosen || view === undefined) return;
    chosen = block;
    fill(detail, block === undefined ? hint : describe(block, view.lanes[block.lane]!));
    draw();
  };

  const blockAt = (event: PointerEvent): Block | undefined => {
    const box = stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const lane = rows.findIndex((row) => y >= row.y && y <= row.y + row.height);
    const slack = ((window_.to - window_.from) / (width - left)) * 2;
    const time = timeAt(x);
    return view?.blocks.find(
      (block) => block.lane === lane && time >= block.start - slack && time <= block.end + slack,
    );
  };

  /** The next operation of a lane from the chosen one on, or the one at its time in another lane. */
  const walk = (step: -1 | 0 | 1, laneStep: -1 | 0 | 1) => {
    if (view === undefined) return;
    const { lanes, blocks, seconds } = view;
    const from = chosen ?? blocks.find(({ end }) => end > window_.from);
    if (from === undefined) return;
    const lane = Math.min(Math.max(from.lane + laneStep, 0), lanes.length - 1);
    const own = blocks.filter((block) => block.lane === lane).sort((a, b) => a.start - b.start);
    const middle = (from.start + from.end) / 2;
    const nearest = own.findIndex(({ end }) => end > middle);
    const at =
      laneStep === 0 && chosen !== undefined ? own.indexOf(from) + step : nearest < 0 ? own.length - 1 : nearest;
    const next = own[Math.min(Math.max(at, 0), own.length - 1)];
    if (next === undefined) return;
    walked = true;
    const sight = showing(window_, next.start, next.end, seconds);
    if (sight !== window_) look(sight);
    choose(next);
  };

  const zoom = (factor: number, at?: number) =>
    view && look(zoomed(window_, factor, at ?? (window_.from + window_.to) / 2, view.seconds));
  const pan = (share: number) => view && look(moved(window_, share, view.seconds));
  const whole = () => view && look({ from: 0, to: view.seconds });

  stage.addEventListener(
    'wheel',
    (event) => {
      if (view === undefined) return;
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      const turn = sideways ? event.deltaX || event.deltaY : event.deltaY;
      if (sideways) pan(turn / (width - left));
      else zoom(Math.exp(-turn * 0.0015), timeAt(Math.max(event.clientX - box.left, left)));
    },
    { passive: false },
  );
  const fingers = new Map<number, number>();
  const drop = (event: PointerEvent) => fingers.delete(event.pointerId);
  stage.addEventListener('pointerdown', (event) => {
    fingers.set(event.pointerId, event.clientX);
    stage.setPointerCapture(event.pointerId);
    walked = false;
    choose(blockAt(event));
  });
  stage.addEventListener('pointerup', drop);
  stage.addEventListener('pointercancel', drop);
  stage.addEventListener('pointermove', (event) => {
    if (view === undefined) return;
    const before = fingers.get(event.pointerId);
    if (before === undefined) {
      walked = false;
      choose(blockAt(event));
      return;
    }
    const others = Array.from(fingers).filter(([id]) => id !== event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    if (others.length === 0) return void pan((before - event.clientX) / (width - left));
    const box = stage.getBoundingClientRect();
    const [, other] = others[0]!;
    const [was, is] = [Math.abs(before - other), Math.abs(event.clientX - other)];
    if (was > 4 && is > 4) zoom(is / was, timeAt((event.clientX + other) / 2 - box.left));
  });
  stage.addEventListener('pointerleave', () => {
    if (!walked && fingers.size === 0) choose(undefined);
  });
  stage.addEventListener('keydown', (event) => {
    const acts: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => (event.shiftKey ? pan(-0.25) : walk(-1, 0)),
      ArrowRight: () => (event.shiftKey ? pan(0.25) : walk(1, 0)),
      ArrowUp: () => walk(0, -1),
      ArrowDown: () => walk(0, 1),
      '+': () => zoom(1.5),
      '=': () => zoom(1.5),
      '-': () => zoom(1 / 1.5),
      '0': whole,
    };
    const act = acts[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  new ResizeObserver(() => {
    if (Math.abs(stage.clientWidth - width) > 2) draw();
  }).observe(stage);

  const buttons = h(
    'div',
    { class: 'row timeline-buttons' },
    button('Zoom in', () => zoom(2), { 'data-zoom': 'in' }),
    button('Zoom out', () => zoom(1 / 2), { 'data-zoom': 'out' }),
    button('Earlier', () => pan(-0.5)),
    button('Later', () => pan(0.5)),
    button('All of it', whole, { 'data-zoom': 'all' }),
  );
  return {
    element: h('div', { class: 'timeline-frame' }, buttons, stage, detail),
    show(next, window) {
      if (next !== view) {
        chosen = undefined;
        fill(detail, hint);
      }
      view = next;
      window_ =
        window === undefined
          ? { from: 0, to: next.seconds }
          : within(window.from, window.to - window.from, next.seconds);
      draw();
    },
    svg: () => stage.querySelector('svg'),
  };
}

/** A time on the axis, with as many digits as its neighbours need to differ. */
function tickText(time: number, { from, to }: TimeWindow): string {
  if (to >= 1 && to - from > 0.05) return `${Number(time.toPrecision(5))} s`;
  const digits = Math.max(0, Math.ceil(-Math.log10((to - from) * 1e3)) + 1);
  return to - from >= 1e-6 ? `${(time * 1e3).toFixed(digits)} ms` : timeText(time);
}
