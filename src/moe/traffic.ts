import { type Cluster, nodeOf } from './cluster.ts';
import { gpuOfToken, type Routing } from './routing.ts';

/** Bytes of a token on the wire. */
export interface TokenBytes {
  /** To the experts. Default: 7168 E4M3 codes and an f32 scale for each 128 of them: 7,392. */
  readonly dispatch: number;
  /** Back from them. Default: 7168 bf16: 14,336. */
  readonly combine: number;
}

/** DeepSeek-V3: FP8 there, BF16 back (section 3.3.3). */
export const deepseekV3TokenBytes: TokenBytes = { dispatch: 7168 + (7168 / 128) * 4, combine: 7168 * 2 };

/** Tokens and bytes of one layer's dispatch and combine. */
export interface Traffic {
  /** [from node][to node]: tokens sent over IB at dispatch, each once a node; the diagonal is 0. Combine sends the same number back. */
  readonly nodeTokens: readonly (readonly number[])[];
  /** [from GPU * gpus + to GPU], both in one node: tokens sent over NVLink at dispatch, each once a GPU; also those that IB brought. */
  readonly nvlinkTokens: Float64Array;
  /** [GPU]: tokens that its network card sends at dispatch, and that it receives. */
  readonly ibSent: Float64Array;
  readonly ibReceived: Float64Array;
  /** Mean over tokens of the nodes that its experts are in. */
  readonly nodesPerToken: number;
  /** Bytes over IB and over NVLink, of dispatch and of combine, and of the busiest sender and receiver of dispatch. */
  readonly dispatch: LinkBytes;
  readonly combine: LinkBytes;
}

/** Bytes by kind of link. */
export interface LinkBytes {
  readonly ib: number;
  readonly nvlink: number;
  /** Most bytes that one GPU's network card sends, and that one receives: a card a GPU, and cards of equal index in a node talk. */
  readonly ibBusiestSend: number;
  readonly ibBusiestReceive: number;
}

/**
 * Where the tokens of a layer travel, two hops at most (V3 section 3.2.2): over IB to the GPU of the same index in each other node that holds one of
 * its experts, once a node; from there over NVLink to each GPU of the node that holds some, once a GPU. Combine takes the same ways back: experts' outputs
 * are summed in the node before they cross.
 * @param physical [token * topK + slot]: physical experts, -1 for none
 */
export function trafficOf(
  routing: Routing,
  physical: Int32Array,
  slotsPerGpu: number,
  cluster: Cluster,
  bytes: TokenBytes = deepseekV3TokenBytes,
): Traffic {
  const { gpus, nodes } = cluster;
  const perNode = gpus / nodes;
  const nodeTokens = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(0));
  const nvlinkTokens = new Float64Array(gpus * gpus);
  const sent = new Float64Array(gpus);
  const received = new Float64Array(gpus);
  const seenGpu = new Int32Array(gpus).fill(-1);
  const seenNode = new Int32Array(nodes).fill(-1);
  let visits = 0;
  for (let token = 0; token < routing.tokens; token++) {
    const source = gpuOfToken(token, routing.tokens, gpus);
    const home = nodeOf(source, cluster);
    for (let at = token * routing.topK; at < (token + 1) * routing.topK; at++) {
      if (physical[at]! < 0) continue;
      const target = Math.floor(physical[at]! / slotsPerGpu);
      const node = nodeOf(target, cluster);
      const landing = node * perNode + (source % perNode);
      if (seenNode[node] !== token) {
        seenNode[node] = token;
        visits++;
        if (node !== home) {
          nodeTokens[home]![node]!++;
          sent[source]!++;
          received[landing]!++;
        }
      }
      if (seenGpu[target] === token) continue;
      seenGpu[target] = token;
      if (target !== landing) nvlinkTokens[landing * gpus + target]!++;
    }
  }
  const linkBytes = (each: number): LinkBytes => ({
    ib: each * sum(nodeTokens.flat()),
    nvlink: each * sum(nvlinkTokens),
    ibBusiestSend: each * Math.max(...sent),
    ibBusiestReceive: each * Math.max(...received),
  });
  const combine = linkBytes(bytes.combine);
  return {
    nodeTokens,
    nvlinkTokens,
    ibSent: sent,
    ibReceived: received,
    nodesPerToken: visits / routing.tokens,
    dispatch: linkBytes(bytes.dispatch),
    // The way back: who received now sends.
    combine: { ...combine, ibBusiestSend: combine.ibBusiestReceive, ibBusiestReceive: combine.ibBusiestSend },
  };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);
