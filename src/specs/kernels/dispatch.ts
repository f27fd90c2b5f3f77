import { z } from 'zod';
import type { Input, IntegersFrom, RoutingInput, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { base, extent, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';
import {
  checkMovedRows,
  experts,
  fillMovedRows,
  type MovedRows,
  movedRows,
  type PermuteShape,
  topk,
} from './permute.ts';

/** Virtual ranks: GPUs with NVLink inside a node and IB between nodes; experts lie on ranks evenly, in order. */
export interface Topology {
  /** Extents; `tokens` are those of one rank. */
  readonly shape: PermuteShape;
  readonly ranks: number;
  readonly gpusPerNode: number;
}

/** Tokens to the ranks of their experts (DeepSeek-V3 section 3.2.2, DeepEP). */
export interface DispatchSpec extends SpecBase, Topology {
  readonly kernel: 'dispatch';
  /** `normal`: a token once a rank, ranks one behind the other; `low-latency`: once a slot, every expert with a block of its own. */
  readonly layout: 'normal' | 'low-latency';
  /** Nodes that a token may go to at most; more is refused. */
  readonly nodeLimit: number;
  /** x [ranks * tokens, hidden]; its scheme is that of the wire. */
  readonly x: MovedRows;
  readonly topkIdx: IntegersFrom<RoutingInput>;
  /** [ranks * tokens, topk], f32. */
  readonly topkWeights: { readonly input: Input };
}

/** Tokens that a loop of a shader goes through: some drivers end loops after 65,535 turns. */
const mostTokens = 65_535;

/** Fields of both directions. */
export const topologyFields = {
  shape: z.strictObject({
    tokens: z.int().min(1).max(mostTokens).describe('Tokens of a rank.'),
    hidden: extent,
    experts,
    topk,
  }),
  ranks: z.int().min(1).max(1024).describe('GPUs.'),
  gpusPerNode: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('GPUs joined by NVLink. Default 8, or all where there are fewer.'),
};

/** gpusPerNode where an author gives none. */
export const fillGpusPerNode = (ranks: number, gpusPerNode: number | undefined): number =>
  gpusPerNode ?? Math.min(8, ranks);

/** Refuses experts and ranks that do not share out evenly. */
export function checkTopology({ shape, ranks, gpusPerNode }: Topology, check: Checker): void {
  const { tokens, hidden, experts, topk } = shape;
  check.elements('shape (ranks x tokens x topk)', ranks * tokens, topk);
  check.elements('shape (ranks x tokens x hidden)', ranks * tokens, hidden);
  // A link's bytes must fit an I32: at most these messages cross one, each at most so long.
  check.elements(
    'messages of a link x bytes',
    Math.max(ranks, gpusPerNode * topk) * tokens,
    4 * hidden + 8 * topk + 16,
  );
  if (experts % ranks !== 0) {
    check.refuse('ranks', `is ${ranks}, and does not divide the ${experts} experts`, 'give every rank as many experts');
  }
  if (ranks % gpusPerNode !== 0) {
    check.refuse('gpusPerNode', `is ${gpusPerNode}, and does not divide the ${ranks} ranks`, 'use whole nodes');
  }
  if (topk > experts) check.refuse('shape.topk', `is ${topk}, and there are ${experts} experts`, 'use fewer slots');
}

/** Rows of the result for every routing: see docs/numerics.md, "Dispatch". */
export function dispatchedRows({ shape, ranks, layout }: Pick<DispatchSpec, 'shape' | 'ranks' | 'layout'>): number {
  const tokens = ranks * shape.tokens;
  return layout === 'normal' ? tokens * Math.min(shape.topk, ranks) : shape.experts * tokens;
}

/** What a dispatch spec says. */
export const dispatchPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('dispatch'),
    ...topologyFields,
    layout: z.enum(['normal', 'low-latency']).optional().describe('Default normal.'),
    nodeLimit: z.int().min(1).max(1024).optional().describe('Nodes of a token at most. Default: all.'),
    x: movedRows,
    topkIdx: routingSchema,
    topkWeights: z.strictObject({ input }).describe('Weight of every slot, f32.'),
  }),
  fill: (spec, filled): DispatchSpec => {
    const gpusPerNode = fillGpusPerNode(spec.ranks, spec.gpusPerNode);
    return {
      ...filled,
      kernel: 'dispatch',
      shape: spec.shape,
      ranks: spec.ranks,
      gpusPerNode,
      layout: spec.layout ?? 'normal',
      nodeLimit: spec.nodeLimit ?? Math.max(1, Math.floor(spec.ranks / gpusPerNode)),
      x: fillMovedRows(spec.x, 'x'),
      topkIdx: fillRouting(spec.topkIdx, spec.shape.experts),
      topkWeights: { input: fillInput(spec.topkWeights.input) },
    };
  },
  check: (spec, check) => {
    checkTopology(spec, check);
    check.elements('rows x hidden', dispatchedRows(spec), spec.shape.hidden);
    if (spec.layout === 'low-latency' && spec.shape.tokens * spec.shape.topk > mostTokens) {
      check.refuse('shape.tokens', `times topk is more than ${mostTokens}`, 'low-latency is for few tokens a rank');
    }
    checkMovedRows(check, 'x', spec.x);
    checkRouting(check, 'topkIdx', spec.topkIdx, spec.shape.experts);
    check.f32('topkWeights.input', spec.topkWeights.input);
  },
});
