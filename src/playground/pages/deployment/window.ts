/** The part of a timeline in sight, seconds. */
export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** Closest that one can look: this share of the whole. */
const closest = 1 / 20_000;

/** A window of some span that lies inside the whole. */
export function within(from: number, span: number, whole: number): TimeWindow {
  const width = Math.min(Math.max(span, whole * closest), whole);
  const start = Math.min(Math.max(from, 0), whole - width);
  return { from: start, to: start + width };
}

/** Zooms by a factor (2: half as much in sight) around a time that stays where it is. */
export function zoomed({ from, to }: TimeWindow, factor: number, at: number, whole: number): TimeWindow {
  const span = Math.min(Math.max((to - from) / factor, whole * closest), whole);
  return within(at - ((at - from) / (to - from)) * span, span, whole);
}

/** Moves by a share of what is in sight. */
export function moved({ from, to }: TimeWindow, share: number, whole: number): TimeWindow {
  return within(from + share * (to - from), to - from, whole);
}

/** A window that shows a stretch: the same where it does already, else with the stretch in the middle. */
export function showing(window: TimeWindow, start: number, end: number, whole: number): TimeWindow {
  if (start >= window.from && end <= window.to) return window;
  const span = Math.max(window.to - window.from, 1.5 * (end - start));
  return within((start + end - span) / 2, span, whole);
}

/** About `count` round times from one end of a window to the other. */
export function ticksOf({ from, to }: TimeWindow, count: number): number[] {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)!;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, i) => (first + i) * step);
}
