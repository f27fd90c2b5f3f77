import { addF32, fmaF32, mulF32 } from '../../numerics/f32.ts';
import type { Convention } from '../convention.ts';
import type { Cut } from './blocks.ts';
import type { OperandRows } from './operand.ts';
import { roundTo } from './sums.ts';

/** Partial sums and scales of an element meet: gives A * B^T before C and the output's rounding. */
export type Combiner = (element: number, rowA: number, rowB: number, note?: Note) => number;

/** Told of each block: its place, the two scales that it met, and the running sum after it. */
export type Note = (block: number, sa: number, sb: number, sum: number) => void;

type Rounder = (x: number) => number;

/** Rounds to a name of an axis: `f32`, `bf16`, `f16`, or `f64` for not at all. */
export function rounder(name: string): Rounder {
  if (name === 'f64') return (x) => x;
  if (name === 'f32') return Math.fround;
  return (x) => roundTo(x, name as 'bf16' | 'f16');
}

/** The combiner of a convention over partial sums [elements, blocks]. */
export function combinerOf(
  convention: Convention,
  cut: Cut,
  partials: Float64Array,
  a: OperandRows,
  b: OperandRows,
): Combiner {
  const promote = promoter(convention);
  const atEnd = convention.scales === 'epilogue';
  const epilogue = atEnd || convention.scales === 'part';
  const carry = rounder(convention.carry!);
  const narrowPartial = convention.partial === 'f32' ? undefined : rounder(convention.partial!);
  const place = (tile: number, tiles: number): Int32Array =>
    Int32Array.from(cut.blocks, (block) => {
      const k = convention.scales === 'final' ? block.at(-1)![1] - 1 : block[0]![0];
      return epilogue ? 0 : Math.min(Math.floor(k / tile), tiles - 1);
    });
  const placesA = place(a.tile, a.tiles);
  const placesB = place(b.tile, b.tiles);
  const { blocks } = cut;
  const parts = cut.parts.length;
  const scaled = (sum: number, rowA: number, rowB: number): number =>
    promote(0, sum, a.factor[rowA * a.tiles]!, b.factor[rowB * b.tiles]!);
  const partOf = (element: number, rowA: number, rowB: number, first: number, count: number, note?: Note): number => {
    let sum = 0;
    for (let j = first; j < first + count; j++) {
      const raw = partials[element * blocks.length + j]!;
      const partial = narrowPartial === undefined ? raw : narrowPartial(raw);
      const sa = a.factor[rowA * a.tiles + placesA[j]!]!;
      const sb = b.factor[rowB * b.tiles + placesB[j]!]!;
      sum = carry(epilogue ? sum + partial : promote(sum, partial, sa, sb));
      note?.(j, sa, sb, sum);
    }
    return epilogue && !(atEnd && parts > 1) ? scaled(sum, rowA, rowB) : sum;
  };
  if (parts === 1) return (element, rowA, rowB, note) => partOf(element, rowA, rowB, 0, blocks.length, note);
  const reduce = reducer(convention);
  return (element, rowA, rowB, note) => {
    const sums: number[] = [];
    let first = 0;
    for (const part of cut.parts) {
      sums.push(partOf(element, rowA, rowB, first, part.length, note));
      first += part.length;
    }
    return atEnd ? scaled(reduce(sums), rowA, rowB) : reduce(sums);
  };
}

/** How parts of a split are added up. */
function reducer(convention: Convention): (sums: number[]) => number {
  const store = rounder(convention['split.partials']!);
  const add = rounder(convention['split.add']!);
  const order = convention['split.sum'];
  return (sums) => {
    const stored = sums.map(store);
    if (order === 'descending') stored.reverse();
    if (order === 'tree') {
      while (stored.length > 1) {
        const half = Math.ceil(stored.length / 2);
        for (let i = 0; i + half < stored.length; i++) stored[i] = add(stored[i]! + stored[i + half]!);
        stored.length = half;
      }
      return stored[0] ?? 0;
    }
    if (order === 'pairs') {
      let level = stored;
      while (level.length > 1)
        level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
          2 * i + 1 < level.length ? add(level[2 * i]! + level[2 * i + 1]!) : level[2 * i]!,
        );
      return level[0] ?? 0;
    }
    return stored.reduce((sum, x) => add(sum + x), 0);
  };
}

type Promote = (sum: number, partial: number, sa: number, sb: number) => number;

/** One promotion. The three orders and two ways of the contract, and two that keep more. */
function promoter({ combine, promote, carry }: Convention): Promote {
  if (combine === 'f64') return (sum, partial, sa, sb) => sum + partial * sa * sb;
  const factors = (partial: number, sa: number, sb: number): readonly [number, number] =>
    combine === 'scales-first'
      ? [mulF32(sa, sb), partial]
      : combine === 'a-then-b'
        ? [mulF32(partial, sa), sb]
        : [mulF32(partial, sb), sa];
  if (carry === 'f64') {
    return (sum, partial, sa, sb) => {
      const [x, y] = factors(partial, sa, sb);
      return sum + (promote === 'fused' ? x * y : mulF32(x, y));
    };
  }
  if (promote === 'fused') {
    return (sum, partial, sa, sb) => {
      const [x, y] = factors(partial, sa, sb);
      return fmaF32(x, y, sum);
    };
  }
  return (sum, partial, sa, sb) => {
    const [x, y] = factors(partial, sa, sb);
    return addF32(sum, mulF32(x, y));
  };
}
