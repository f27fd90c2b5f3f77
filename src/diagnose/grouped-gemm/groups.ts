import { type GroupRange, groupRanges } from '../../kernels/grouped-gemm/layout.ts';
import { groupedResultShape } from '../../kernels/grouped-gemm/products.ts';
import { requireTensor } from '../../kernels/tiles.ts';
import type { GroupedGemmSpec } from '../../specs/types.ts';
import { elementCount, type Tensors } from '../../tensors/tensor.ts';
import type { Convention } from '../convention.ts';

/** A group that has a product: where its rows of D lie, and in which matrix A. */
export interface Member {
  readonly group: number;
  /** Its place among the groups that have one. */
  readonly place: number;
  /** Its k, where groups lie along k. */
  readonly range: GroupRange;
  /** Rows of D. */
  readonly start: number;
  readonly count: number;
  /** Row of D that the first row of A's matrix makes. */
  readonly base: number;
  /** Row of A's matrix right behind the former group. */
  readonly former: number;
}

/** Axes of groups, with the values that are looked for. */
export const groupAxes = {
  'group.b': ['own', 'first', 'counted', 'next', 'next-wrapped', 'previous', 'last'],
  'group.scales': ['own', 'first', 'counted', 'next', 'next-wrapped', 'previous', 'last'],
  'group.rows': [
    'whole',
    'last-missing',
    'first-missing',
    'tiles-64',
    'tiles-128',
    'first-64',
    'first-128',
    'unaligned',
  ],
  padding: ['zero', 'before', 'first', 'unwritten'],
} as const;

/** The groups of a spec: which rows of D are whose. */
export class Groups {
  readonly spec: GroupedGemmSpec;
  readonly members: readonly Member[];
  /** For each row of D the place of its member, or -1. */
  readonly owner: Int32Array;
  /** Rows of D that have an owner, ascending; and those that have none. */
  readonly live: Int32Array;
  readonly padding: Int32Array;

  constructor(spec: GroupedGemmSpec, inputs: Tensors) {
    const { m, n } = spec.shape;
    const alongK = spec.layout === 'k-grouped';
    this.spec = spec;
    const ranges = groupRanges(spec, requireTensor(inputs, 'group_layout')).filter(({ count }) => count > 0);
    this.members = ranges.map((range, place): Member => {
      const { group } = range;
      const own = alongK || spec.layout === 'masked';
      const before = ranges[place - 1];
      return {
        group,
        place,
        range,
        start: alongK ? group * m : range.start,
        count: alongK ? m : range.count,
        base: own ? group * m : 0,
        former: own ? 0 : before === undefined ? 0 : before.start + before.count,
      };
    });
    const rows = elementCount(groupedResultShape(spec)) / n;
    this.owner = new Int32Array(rows).fill(-1);
    for (const { start, count, place } of this.members) this.owner.fill(place, start, start + count);
    const all = Int32Array.from(this.owner.keys());
    this.live = all.filter((row) => this.owner[row]! >= 0);
    this.padding = all.filter((row) => this.owner[row]! < 0);
  }

  /** The group whose B a member meets. */
  groupOf(rule: string, { group, place }: Member): number {
    const last = this.spec.shape.groups - 1;
    if (rule === 'next') return Math.min(group + 1, last);
    if (rule === 'next-wrapped') return (group + 1) % (last + 1);
    if (rule === 'previous') return Math.max(group - 1, 0);
    if (rule === 'first') return 0;
    if (rule === 'last') return last;
    return rule === 'counted' ? place : group;
  }

  /** Rows of a member that are made, counted within it. */
  made(rule: string, { count }: Member): readonly [from: number, to: number] {
    const size = Number(rule.split('-')[1]);
    if (rule === 'last-missing') return [0, count - 1];
    if (rule === 'first-missing') return [1, count];
    if (rule.startsWith('tiles-')) return [0, count - (count % size)];
    if (rule.startsWith('first-')) return [0, Math.min(size, count)];
    return [0, count];
  }

  /** The group that a kernel of whole tiles takes a row for that belongs to none: the one of the rows before it; -1 past its last tile. */
  groupBefore(row: number): number {
    const { layout, shape, alignment } = this.spec;
    if (layout === 'masked') return Math.floor(row / shape.m);
    const tile = (at: number): number => Math.floor(at / alignment);
    return this.members.find(({ start, count }) => start < row && tile(row) === tile(start + count - 1))?.group ?? -1;
  }

  /** A convention with each axis of groups at the first value that comes to the same for all of them. */
  canonical(convention: Convention): Convention {
    const chosen = Object.entries(groupAxes).map(([axis, values]) => {
      const own = this.effect(axis, convention[axis]!);
      return [axis, values.find((value) => this.effect(axis, value) === own)!];
    });
    return { ...convention, ...Object.fromEntries(chosen) };
  }

  private effect(axis: string, value: string): string {
    if (axis === 'padding') return this.padding.length === 0 ? '' : value;
    if (axis !== 'group.rows') return this.members.map((member) => this.groupOf(value, member)).join();
    return this.members
      .map(
        (member) =>
          `${this.made(value, member)} ${value === 'unaligned' ? member.former - member.start + member.base : ''}`,
      )
      .join();
  }
}
