import { inputError } from '../errors.ts';
import { requireCount } from './loads.ts';

/** Which experts the tokens of one layer are routed to. */
export interface Routing {
  readonly tokens: number;
  readonly topK: number;
  /** Logical experts there are. */
  readonly experts: number;
  /** [token * topK + slot]: the logical expert, -1 where masked. */
  readonly topkIdx: Int32Array;
}

/** Checks indices that came from outside and makes a routing of them. */
export function routingOf(topkIdx: ArrayLike<number>, topK: number, experts: number, where = 'topk_idx'): Routing {
  requireCount(topK, 'topK');
  requireCount(experts, 'experts');
  if (topK > experts) {
    throw inputError(
      `top-${topK} of ${experts} experts`,
      'topk-over-experts',
      where,
      `choose at most ${experts} experts a token`,
    );
  }
  if (topkIdx.length === 0 || topkIdx.length % topK !== 0) {
    const problem = `${topkIdx.length} indices are no whole number of tokens with ${topK} each`;
    throw inputError(problem, 'wrong-length', where, 'give topK indices for each token');
  }
  for (let at = 0; at < topkIdx.length; at++) {
    const expert = topkIdx[at]!;
    if (Number.isInteger(expert) && expert >= -1 && expert < experts) continue;
    const problem = `token ${Math.floor(at / topK)}, slot ${at % topK} names expert ${expert} of ${experts}`;
    throw inputError(problem, 'no-such-expert', where, `name experts 0 to ${experts - 1}, or -1 for none`);
  }
  return { tokens: topkIdx.length / topK, topK, experts, topkIdx: Int32Array.from(topkIdx) };
}

/** [expert]: (token, slot) pairs routed to it. */
export function countExperts({ topkIdx, experts }: Routing): Float64Array {
  const counts = new Float64Array(experts);
  for (const expert of topkIdx) if (expert >= 0) counts[expert]!++;
  return counts;
}

/** The GPU a token starts on: tokens lie on the GPUs in equal blocks, in order. */
export function gpuOfToken(token: number, tokens: number, gpus: number): number {
  return Math.floor(token / Math.ceil(tokens / gpus));
}
