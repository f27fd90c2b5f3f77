import { facts, table } from '../../ui/blocks.ts';
import { nodeCommand } from '../../ui/command.ts';
import { cluster, type Gated, layer, type Placed, type RoutingSettings, type RoutingView } from './view.ts';

/** Below this a choice hangs on the last bits of two scores. */
const near = 2 ** -10;

/** What the batch came to. */
export function routingFacts({ course: { gated, batch }, before }: RoutingView): HTMLElement {
  const close = gated.gaps.filter((gap) => gap < near).length;
  return facts([
    ['Busiest expert over mean', gated.imbalance.toFixed(2)],
    ['Experts without a token', String(gated.load.filter((count) => count === 0).length)],
    ['Nodes a token visits', before.traffic.nodesPerToken.toFixed(2)],
    ['Near ties, tokens', `${close} of ${layer.tokens}`],
    ['Batch', String(batch)],
  ]);
}

/** The tokens whose choice was nearest. */
export function tieTable({ gaps, routing }: Gated): HTMLElement {
  const nearest = Array.from(gaps.keys())
    .sort((a, b) => gaps[a]! - gaps[b]!)
    .slice(0, 8);
  return table(
    'Tokens whose last expert was chosen by the least',
    [{ head: 'token', text: true }, { head: 'lead over the next expert' }, { head: 'experts chosen' }],
    nearest.map((token) => [
      `${token}${gaps[token]! < near ? ' · near tie' : ''}`,
      gaps[token]!.toExponential(2),
      Array.from(routing.topkIdx.slice(token * routing.topK, (token + 1) * routing.topK)).join(', '),
    ]),
  );
}

/** What the page gives away. */
export function exportOf(
  state: RoutingSettings & { readonly redundant: number },
  { course, before, after }: RoutingView,
  picture: () => SVGSVGElement | null,
) {
  const { gated, bias, batch } = course;
  const side = ({ gpuLoads, imbalance, traffic, copies }: Placed) => ({
    gpuLoads: [...gpuLoads],
    imbalance,
    nodesPerToken: traffic.nodesPerToken,
    copies,
  });
  const replicas = layer.experts + state.redundant * cluster.gpus;
  return {
    name: 'fp8lab-routing',
    command: nodeCommand(
      `import { rebalanceExperts } from "fp8lab"; console.log(JSON.stringify(rebalanceExperts([[${gated.load.join(', ')}]], { replicas: ${replicas}, groups: ${layer.groups}, nodes: ${cluster.nodes}, gpus: ${cluster.gpus} })))`,
    ),
    json: () => ({
      settings: state,
      layer,
      cluster,
      batch,
      bias: [...bias],
      load: [...gated.load],
      imbalance: gated.imbalance,
      before: side(before),
      after: side(after),
    }),
    csv: () => [
      ['expert', 'tokens', 'bias', 'copies'],
      ...Array.from(gated.load, (count, expert) => [expert, count, bias[expert]!, after.copies[expert]!]),
    ],
    picture,
  };
}
