/** Items in packs of equal size. */
export interface Packing {
  /** [pack]: its items, in the order in which they came. */
  readonly packs: readonly (readonly number[])[];
}

/** Indices of loads from the heaviest to the lightest; equal ones in the order of their index. */
export function heaviestFirst(loads: ArrayLike<number>): number[] {
  const order = Array.from({ length: loads.length }, (_, at) => at);
  return order.sort((a, b) => loads[b]! - loads[a]! || a - b);
}

/**
 * Packs n items into m packs of n / m items: the heaviest item first, each into the lightest pack that has room (EPLB's balanced packing).
 * Ties go to the lower index; loads add up in f32. One item a pack: item i in pack i.
 */
export function packBalanced(loads: Float32Array, packs: number): Packing {
  const size = loads.length / packs;
  if (size === 1) return { packs: Array.from(loads, (_, item) => [item]) };
  const items = Array.from({ length: packs }, (): number[] => []);
  const sums = new Float32Array(packs);
  for (const item of heaviestFirst(loads)) {
    let lightest = -1;
    for (let pack = 0; pack < packs; pack++) {
      if (items[pack]!.length < size && (lightest < 0 || sums[pack]! < sums[lightest]!)) lightest = pack;
    }
    items[lightest]!.push(item);
    sums[lightest]! += loads[item]!;
  }
  return { packs: items };
}
