/** A piece of a bar: from `y` down by `size`. */
export interface Slot {
  readonly y: number;
  readonly size: number;
}

/** Where a column of bars stands. */
export interface Room {
  readonly top: number;
  readonly height: number;
}

/** Bars of a column one above the other, as high as their loads, `gap` units between them. */
export function stackBars(loads: ArrayLike<number>, gap: number, { top, height }: Room): Slot[] {
  const total = Array.from(loads).reduce((sum, load) => sum + load, 0) || 1;
  const room = height - gap * (loads.length - 1);
  let y = top;
  return Array.from(loads, (load) => {
    const slot = { y, size: (room * load) / total };
    y += slot.size + gap;
    return slot;
  });
}

/** Gives out the pieces of bars from the top down: each call takes the next `amount` of bar `at`. */
export function bandEnds(bars: readonly Slot[], loads: ArrayLike<number>): (at: number, amount: number) => Slot {
  const taken = new Float64Array(bars.length);
  return (at, amount) => {
    const bar = bars[at]!;
    const share = loads[at] === 0 ? 0 : bar.size / loads[at]!;
    const part = { y: bar.y + taken[at]! * share, size: amount * share };
    taken[at]! += amount;
    return part;
  };
}

/** The outline of a band between two pieces, as the `d` of an SVG path. */
export function bandPath(x0: number, from: Slot, x1: number, to: Slot): string {
  const at = (value: number): string => String(Math.round(100 * value) / 100);
  const middle = at((x0 + x1) / 2);
  const [y0, y1] = [at(from.y), at(to.y)];
  const [end0, end1] = [at(from.y + from.size), at(to.y + to.size)];
  return `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}V${end1}C${middle} ${end1} ${middle} ${end0} ${x0} ${end0}Z`;
}
