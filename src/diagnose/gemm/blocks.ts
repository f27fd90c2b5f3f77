import type { Convention } from '../convention.ts';

/** k that go into one partial sum: one stretch, or several where parts of a split take turns. */
export type Block = readonly (readonly [start: number, end: number])[];

/** How k is cut: parts of a split, each of blocks. Without a split there is one part. */
export interface Cut {
  readonly parts: readonly (readonly Block[])[];
  /** All blocks in the order of the parts. */
  readonly blocks: readonly Block[];
  /** The blocks as text: conventions with equal keys have the same partial sums. */
  readonly key: string;
  /** Blocks of each part as well: conventions with equal texts cut alike. */
  readonly whole: string;
}

/** Cuts k by a convention's split and promotion interval. `finest` bounds the interval from above where scales change sooner; 0 for not at all. */
export function cutOf(convention: Convention, k: number, finest: number): Cut {
  const wanted = Number(convention.interval);
  const interval = finest === 0 ? wanted : wanted === 0 ? finest : Math.min(wanted, finest);
  const { drop } = convention;
  const parts = stretches(convention, k).map((part) => {
    const kept = part.map(([start, end]): [number, number] => [start, end]);
    const blocks = dropped(blocksOf(kept, interval, Number(convention.first)), drop!, k);
    return convention.walk === 'descending' ? blocks.reverse() : blocks;
  });
  const blocks = parts.flat();
  const key = blocks.map((block) => block.map((range) => range.join('-')).join('+')).join(' ');
  return { parts, blocks, key, whole: `${parts.map(({ length }) => length).join(' ')}: ${key}` };
}

/** The k of each part of a split. */
function stretches(convention: Convention, k: number): [number, number][][] {
  const count = Number(convention.split);
  if (count === 1) return [[[0, k]]];
  const [kind, size] = convention['split.cut']!.split('-');
  const unit = Number(size);
  const units = Math.ceil(k / unit);
  const stretch = (first: number, last: number): [number, number] => [first * unit, Math.min(last * unit, k)];
  if (kind === 'interleaved') {
    return Array.from({ length: Math.min(count, units) }, (_, part) =>
      Array.from({ length: Math.ceil((units - part) / count) }, (_, i) =>
        stretch(part + i * count, part + i * count + 1),
      ),
    );
  }
  const bounds =
    kind === 'balanced'
      ? Array.from({ length: count + 1 }, (_, i) =>
          Math.floor(i * Math.floor(units / count) + Math.min(i, units % count)),
        )
      : Array.from({ length: count + 1 }, (_, i) => Math.min(i * Math.ceil(units / count), units));
  return bounds.slice(1).flatMap((last, i) => (last > bounds[i]! ? [[stretch(bounds[i]!, last)]] : []));
}

/** `first` is the length of the first block where that is another; 0 where not. */
function blocksOf(part: readonly [number, number][], interval: number, first: number): Block[] {
  if (interval === 0) return [part];
  return part.flatMap(([start, end]) => {
    const blocks: Block[] = [];
    for (let at = start; at < end; ) {
      const next = at + (at === start && first > 0 ? first : interval);
      blocks.push([[at, Math.min(next, end)]]);
      at = next;
    }
    return blocks;
  });
}

/** Blocks up to an end of k. */
function until(blocks: readonly Block[], last: number): Block[] {
  return blocks
    .map((block) =>
      block.filter(([start]) => start < last).map(([start, end]): [number, number] => [start, Math.min(end, last)]),
    )
    .filter((block) => block.length > 0);
}

/** Leaves k out as a faulty loop would. */
function dropped(blocks: readonly Block[], drop: string, k: number): Block[] {
  switch (drop) {
    case 'last-block':
      return until(blocks, Math.max(Math.ceil(k / 128) - 1, 0) * 128);
    case 'last-step':
      return blocks.filter((block) => block.at(-1)![1] !== k);
    case 'ragged-block':
      return until(blocks, k - (k % 128));
    case 'first-block':
      return blocks
        .map((block) =>
          block.flatMap(([start, end]): [number, number][] => (end > 128 ? [[Math.max(start, 128), end]] : [])),
        )
        .filter((block) => block.length > 0);
    case 'last-k':
      return blocks.map((block) => block.map(([start, end]) => [start, end === k ? end - 1 : end]));
    case 'last-k32':
      return blocks.map((block) => block.map(([start, end]) => [start, end === k ? Math.max(end - 32, start) : end]));
    case 'block-end':
      return blocks.map((block) => block.map(([start, end]) => [start, end - 1]));
    case 'block-k32':
      return blocks.map((block) => block.map(([start, end]) => [start, Math.max(end - 32, start)]));
    case 'block-half':
      return blocks.map((block) => block.map(([start, end]) => [start, start + ((end - start) >> 1)]));
    default:
      return [...blocks];
  }
}
