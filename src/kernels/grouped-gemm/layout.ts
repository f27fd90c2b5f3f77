import { inputError } from '../../errors.ts';
import type { GroupedGemmSpec } from '../../specs/types.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { requireShape } from '../tiles.ts';

/** What belongs to a group: rows of A, or columns of A and B where the layout is `k-grouped`. Indices count within A. */
export interface GroupRange {
  readonly group: number;
  readonly start: number;
  readonly count: number;
}

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

/** Shape of `group_layout`. */
export function groupLayoutShape({ layout, shape }: GroupedGemmSpec): readonly [number] {
  return [layout === 'contiguous' ? shape.m : shape.groups];
}

/** The integers of `group_layout` for groups of the given sizes, one behind the other at multiples of the alignment. */
export function layoutOfSizes(spec: GroupedGemmSpec, sizes: readonly number[]): readonly number[] {
  if (spec.layout === 'masked') return sizes;
  const ends: number[] = [];
  for (const size of sizes) ends.push(alignUp(ends.at(-1) ?? 0, spec.alignment) + size);
  if (spec.layout !== 'contiguous') return ends;
  const groups = new Array<number>(spec.shape.m).fill(-1);
  sizes.forEach((size, group) => {
    groups.fill(group, ends[group]! - size, ends[group]!);
  });
  return groups;
}

/** The ranges that `group_layout` describes, ascending; groups without rows are left out, those without k are not. Refuses what no kernel can mean. */
export function groupRanges(spec: GroupedGemmSpec, layout: Tensor): readonly GroupRange[] {
  requireShape('group_layout', layout, groupLayoutShape(spec));
  if (layout.dtype !== 'I32') {
    throw inputError(`group_layout is ${layout.dtype}`, 'wrong-dtype', 'group_layout', 'give it as I32');
  }
  const numbers = Int32Array.from(layout.codes);
  switch (spec.layout) {
    case 'contiguous':
      return contiguousRanges(spec, numbers);
    case 'masked':
      return maskedRanges(spec, numbers);
    case 'offsets':
      return offsetRanges(spec, numbers, spec.shape.m).filter(({ count }) => count > 0);
    case 'k-grouped':
      return offsetRanges(spec, numbers, spec.shape.k);
  }
}

function refuse(at: number, message: string, fix: string): never {
  throw inputError(`group_layout[${at}]: ${message}`, 'bad-layout', `group_layout[${at}]`, fix);
}

/** Every block of `alignment` rows holds rows of one group, then padding: kernels read a tile's group from its first row. */
function contiguousRanges({ alignment, shape }: GroupedGemmSpec, groups: Int32Array): readonly GroupRange[] {
  const ranges: GroupRange[] = [];
  let open: { group: number; start: number; count: number } | undefined;
  for (let row = 0; row < groups.length; row++) {
    const group = groups[row]!;
    if (group >= shape.groups) {
      refuse(row, `is ${group}, and there are ${shape.groups} groups`, 'name groups from 0 on, or -1 for padding');
    }
    if (group < 0) {
      open = undefined;
      continue;
    }
    if (open?.group !== group) {
      if (row % alignment !== 0) {
        const fix = `begin every group at a multiple of ${alignment}, or set alignment`;
        refuse(row, `group ${group} begins at row ${row}, no multiple of ${alignment}`, fix);
      }
      open = { group, start: row, count: 0 };
      ranges.push(open);
    }
    open.count++;
  }
  return ranges;
}

function maskedRanges({ shape }: GroupedGemmSpec, counts: Int32Array): readonly GroupRange[] {
  return Array.from(counts, (count, group): GroupRange => {
    if (count < 0 || count > shape.m) {
      refuse(group, `is ${count}, and a group holds 0 to ${shape.m} rows`, 'count the rows of each group');
    }
    return { group, start: group * shape.m, count };
  }).filter(({ count }) => count > 0);
}

function offsetRanges({ alignment }: GroupedGemmSpec, ends: Int32Array, extent: number): readonly GroupRange[] {
  let start = 0;
  let former = 0;
  return Array.from(ends, (end, group): GroupRange => {
    if (end < former || end > extent) {
      refuse(group, `is ${end}, and ends ascend from ${former} to ${extent}`, 'give each group its end');
    }
    const range = { group, start, count: Math.max(end - start, 0) };
    former = end;
    start = alignUp(end, alignment);
    return range;
  });
}
