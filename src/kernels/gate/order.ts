import { addBits, INF_BITS } from '../../numerics/f32.ts';

/** Key of what is no number: below that of -Inf, which is 0x007fffff. */
export const NAN_KEY = 0;

/** A u32 that orders f32 bits as numbers are ordered; both zeros have one key. */
export function keyOf(bits: number): number {
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INF_BITS) return NAN_KEY;
  if (magnitude === 0) return 0x80000000;
  return bits >>> 31 === 1 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0;
}

/** The f32 bits of a key; a zero is +0. */
export function bitsOfKey(key: number): number {
  return key >>> 31 === 1 ? key & 0x7fffffff : ~key >>> 0;
}

/** How far a chosen value lies above a refused one, as f32 bits: +0 where they are equal, Inf where there is no other. */
export function gapOf(chosen: number, refused: number | undefined): number {
  if (refused === undefined) return INF_BITS;
  return chosen === refused ? 0 : addBits(bitsOfKey(chosen), (bitsOfKey(refused) ^ 0x80000000) >>> 0);
}

/** The first `count` of `candidates` by key, the largest first, ties to the lower index. */
export function largest(keys: ArrayLike<number>, candidates: readonly number[], count: number): number[] {
  const order = [...candidates].sort((a, b) => keys[b]! - keys[a]! || a - b);
  return order.slice(0, count);
}
