import type { Topology } from '../../specs/kernels/dispatch.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { integers } from '../indices.ts';

/** Messages over every link: IB [nodes, nodes], NVLink [ranks, ranks], from row to column. */
export interface Traffic {
  readonly ib: Uint32Array;
  readonly nvlink: Uint32Array;
}

/**
 * How a token travels. `slot`: each of its slots by itself, straight to its rank. `rank`: once to a rank, straight. `node`: once to a rank, and to another node
 * once over IB, to the GPU of its own number there, from that over NVLink.
 */
export type Way = 'slot' | 'rank' | 'node';

/** Ways as WGSL numbers them. */
export const ways: readonly Way[] = ['slot', 'rank', 'node'];

/** Counts messages. @param slotRank rank of every slot [ranks * tokens * topk]; any number past the ranks for none */
export function countMessages({ shape, ranks, gpusPerNode }: Topology, slotRank: Uint32Array, way: Way): Traffic {
  const nodes = ranks / gpusPerNode;
  const traffic = { ib: new Uint32Array(nodes * nodes), nvlink: new Uint32Array(ranks * ranks) };
  const nodeOf = (rank: number): number => Math.floor(rank / gpusPerNode);
  for (let token = 0; token < ranks * shape.tokens; token++) {
    const source = Math.floor(token / shape.tokens);
    const slots = slotRank.subarray(token * shape.topk, (token + 1) * shape.topk).filter((rank) => rank < ranks);
    const seen = new Set<number>();
    for (const target of way === 'slot' ? slots : new Set(slots)) {
      const node = nodeOf(target);
      const away = node !== nodeOf(source);
      if (away && !(way === 'node' && seen.has(node))) traffic.ib[nodeOf(source) * nodes + node]!++;
      seen.add(node);
      const from = away && way === 'node' ? node * gpusPerNode + (source % gpusPerNode) : source;
      if (nodeOf(from) === node && from !== target) traffic.nvlink[from * ranks + target]!++;
    }
  }
  return traffic;
}

/** The same messages the other way. */
export function returned({ ib, nvlink }: Traffic): Traffic {
  return { ib: transposed(ib), nvlink: transposed(nvlink) };
}

function transposed(links: Uint32Array): Uint32Array {
  const extent = Math.sqrt(links.length);
  return links.map((_, at) => links[(at % extent) * extent + Math.floor(at / extent)]!);
}

/** Messages as bytes, under the contract's names. `message` is the bytes of one. */
export function trafficTensors({ ranks, gpusPerNode }: Topology, { ib, nvlink }: Traffic, message: number): Tensors {
  const bytes = (messages: Uint32Array, extent: number) =>
    integers(
      messages.map((count) => count * message),
      [extent, extent],
    );
  return { ib_bytes: bytes(ib, ranks / gpusPerNode), nvlink_bytes: bytes(nvlink, ranks) };
}
