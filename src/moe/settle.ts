/**
 * Names the planned sets of experts as GPUs, and orders their slots, so that little has to be copied: the planned set and the GPU with most experts in
 * common are matched first, and an expert that stays on its GPU keeps its slot.
 * @param before [GPU][slot]: what each GPU holds now, -1 for an empty slot
 * @param planned [set]: the experts that some GPU shall hold, as many sets as GPUs
 * @returns [GPU][slot], `slots` long each, -1 for an empty slot
 */
export function settle(before: readonly number[][], planned: readonly number[][], slots: number): number[][] {
  const result: number[][] = new Array(before.length);
  for (const [gpu, set] of matchByOverlap(before, planned)) result[gpu] = keepSlots(before[gpu]!, planned[set]!, slots);
  return result;
}

/** Pairs of GPU and set, most experts in common first; ties to the lower GPU, then to the lower set. */
function matchByOverlap(before: readonly number[][], planned: readonly number[][]): [gpu: number, set: number][] {
  const pairs = before.flatMap((held, gpu) => {
    const now = new Set(held);
    return planned.map((set, at) => ({ gpu, at, common: set.filter((expert) => now.has(expert)).length }));
  });
  pairs.sort((a, b) => b.common - a.common || a.gpu - b.gpu || a.at - b.at);
  const gpus = new Set<number>();
  const sets = new Set<number>();
  const matched: [number, number][] = [];
  for (const { gpu, at } of pairs) {
    if (gpus.has(gpu) || sets.has(at)) continue;
    gpus.add(gpu);
    sets.add(at);
    matched.push([gpu, at]);
  }
  return matched;
}

function keepSlots(now: readonly number[], planned: readonly number[], slots: number): number[] {
  const row = new Array<number>(slots).fill(-1);
  const rest = new Set(planned);
  now.forEach((expert, slot) => {
    if (slot < slots && rest.delete(expert)) row[slot] = expert;
  });
  for (const expert of Array.from(rest).sort((a, b) => a - b)) row[row.indexOf(-1)] = expert;
  return row;
}
