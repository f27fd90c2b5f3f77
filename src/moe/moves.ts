import { inputError } from '../errors.ts';
import { nodeOf } from './cluster.ts';
import { hostsOf, type Placement } from './placement.ts';

/** Experts that must be copied from one placement to the next. */
export interface Moves {
  /** Copies of experts onto GPUs that did not hold them. */
  readonly copies: number;
  /** Those among them that no GPU of the same node held: they cross between nodes. */
  readonly crossNode: number;
  /** Bytes of all copies. */
  readonly bytes: number;
  /** [layer]: copies. */
  readonly perLayer: readonly number[];
}

/**
 * Bytes of one routed expert of DeepSeek-V3 as its checkpoint has it: gate, up and down projections of 7168 x 2048 in E4M3, and an f32 scale for each
 * block of 128 x 128.
 */
export const deepseekV3ExpertBytes = 3 * (7168 * 2048 + (7168 / 128) * (2048 / 128) * 4);

/** What must be copied to get from one placement to another of the same model and cluster. */
export function movesBetween(before: Placement, after: Placement, bytesPerExpert = deepseekV3ExpertBytes): Moves {
  checkSame(before, after);
  let crossNode = 0;
  const perLayer = after.physicalToLogical.map((_, layer) => {
    const old = hostsOf(before, layer);
    let copies = 0;
    hostsOf(after, layer).forEach((gpus, expert) => {
      const added = gpus.filter((gpu) => !old[expert]!.includes(gpu));
      const nodes = new Set(old[expert]!.map((gpu) => nodeOf(gpu, before.cluster)));
      copies += added.length;
      crossNode += added.filter((gpu) => !nodes.has(nodeOf(gpu, after.cluster))).length;
    });
    return copies;
  });
  const copies = perLayer.reduce((sum, count) => sum + count, 0);
  return { copies, crossNode, bytes: copies * bytesPerExpert, perLayer };
}

function checkSame(a: Placement, b: Placement): void {
  const sizes = ({ cluster, experts, physicalToLogical }: Placement): string =>
    `${physicalToLogical.length} layers of ${experts} experts on ${cluster.gpus} GPUs in ${cluster.nodes} nodes`;
  if (sizes(a) === sizes(b)) return;
  throw inputError(
    `${sizes(a)} against ${sizes(b)}`,
    'wrong-length',
    'placement',
    'compare placements of one model on one cluster',
  );
}
