/** Physical experts of a layer. */
export interface Replicas {
  /** [physical]: the logical expert. */
  readonly logical: number[];
  /** [physical]: which of the expert's replicas it is, from 0. */
  readonly rank: number[];
  /** [logical]: how many replicas it has. */
  readonly count: number[];
}

/**
 * Duplicates experts until there are `total` of them: each duplicate goes to the expert whose replicas carry most, ties to the lower index.
 * No other choice of that many duplicates makes the busiest replica lighter. Quotients are rounded to f32, as EPLB's are.
 * @param most replicas an expert may have; where all have that many, fewer than `total` come out. Default: no limit
 */
export function replicate(loads: ArrayLike<number>, total: number, most = Number.POSITIVE_INFINITY): Replicas {
  const experts = loads.length;
  const logical = Array.from({ length: experts }, (_, expert) => expert);
  const rank = new Array<number>(experts).fill(0);
  const count = new Array<number>(experts).fill(1);
  while (logical.length < total) {
    const expert = busiest(loads, count, most);
    if (expert < 0) break;
    logical.push(expert);
    rank.push(count[expert]!);
    count[expert]!++;
  }
  return { logical, rank, count };
}

/** The expert whose replicas carry most; -1 where none may have another. */
function busiest(loads: ArrayLike<number>, count: readonly number[], most: number): number {
  let found = -1;
  let share = -1;
  for (let expert = 0; expert < loads.length; expert++) {
    const each = Math.fround(loads[expert]! / count[expert]!);
    if (count[expert]! < most && each > share) [found, share] = [expert, each];
  }
  return found;
}
