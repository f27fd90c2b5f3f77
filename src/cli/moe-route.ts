import { exitCodes, Fp8labError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { materializeInputs } from '../kernels/inputs.ts';
import { routePicture } from '../moe/picture/route.ts';
import { type Placement, uniformPlacement } from '../moe/placement.ts';
import { followTokens, type Route } from '../moe/route.ts';
import { type Routing, routingOf } from '../moe/routing.ts';
import { deepseekV3TokenBytes } from '../moe/traffic.ts';
import { fromBits } from '../numerics/f32.ts';
import type { GateSpec, ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { checkInputs, gatherInputs } from './inputs.ts';
import type { Io } from './io.ts';
import { bytesText, requireEnding, writeOutput } from './moe.ts';
import { linkTable, trafficJson } from './moe-plan.ts';
import { loadOne } from './run.ts';
import { readPlacement } from './simulate-options.ts';
import { table } from './table.ts';

/** Options of `fp8lab moe route`. */
export interface MoeRouteOptions {
  readonly nodes: number;
  readonly gpus: number;
  readonly inputs?: string;
  readonly from?: string;
  readonly out?: string;
  readonly picture?: string;
  readonly json?: boolean;
}

/** Gaps below it are near ties: the bound within which others' tests of gates let experts differ (docs/moe.md). */
const nearTie = 2e-6;

/** `fp8lab moe route`: where the tokens of a gate spec go. */
export async function moeRouteCommand(name: string, options: MoeRouteOptions, io: Io): Promise<number> {
  requireEnding(options.out, ['.json'], '--out');
  requireEnding(options.picture, ['.svg'], '--picture');
  const { spec, label } = await loadOne(name);
  const gate = requireGate(spec, name);
  const placement =
    options.from === undefined
      ? uniformPlacement(1, gate.shape.experts, { nodes: options.nodes, gpus: options.gpus })
      : await readPlacement(options.from);
  const given = await gatherInputs(gate, options.inputs);
  if (options.inputs !== undefined) checkInputs(gate, given, options.inputs);
  const results = kernelOf(gate).reference(gate, given ?? materializeInputs(kernelOf(gate).inputs(gate)));
  const routing = chosenExperts(gate, results);
  const gaps = Float32Array.from(results.near_ties!.codes, fromBits);
  const route = followTokens(routing, placement);
  const json = routeJson(label, routing, placement, route, gaps);
  if (options.out !== undefined) await writeOutput(options.out, `${JSON.stringify(json)}\n`, io);
  if (options.picture !== undefined) {
    const groups = gate.gate.groups ?? 1;
    await writeOutput(
      options.picture,
      routePicture(route, placement, { source: `the gate of ${label}`, groups, gaps, nearTie }),
      io,
    );
  }
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : routeText(label, routing, placement, route, gaps));
  return exitCodes.ok;
}

function requireGate(spec: ResolvedSpec, name: string): GateSpec {
  if (spec.kernel === 'gate') return spec;
  throw new Fp8labError(`${name} is a spec of ${spec.kernel}, and routes come from a gate`, {
    kind: 'usage',
    code: 'wrong-kernel',
    where: name,
    fix: 'name a gate spec, say gate/dsv3',
  });
}

/** The experts chosen, without the slots of shared experts: those stay where their token is. */
function chosenExperts({ gate, shape }: GateSpec, { topk_idx }: Tensors): Routing {
  const slots = topk_idx!.shape[1]!;
  const chosen = Int32Array.from(topk_idx!.codes, (code) => code | 0).filter((_, at) => at % slots < gate.topk);
  return routingOf(chosen, gate.topk, shape.experts);
}

/** Channels of a token on the wire, whatever the gate: a gate's spec does not say. */
const hidden = deepseekV3TokenBytes.combine / 2;

const countRefused = (gaps: Float32Array): number => gaps.filter(Number.isNaN).length;

const countNear = (gaps: Float32Array): number => gaps.filter((gap) => gap < nearTie).length;

function routeJson(spec: string, routing: Routing, placement: Placement, route: Route, gaps: Float32Array): unknown {
  return {
    schemaVersion: 1,
    spec,
    tokens: routing.tokens,
    topk: routing.topK,
    cluster: placement.cluster,
    experts: route.experts,
    gpus: route.gpus,
    load: Array.from(route.load),
    gpuLoads: Array.from(route.gpuLoads),
    tokensByNodes: route.tokensByNodes,
    nearTies: { below: nearTie, tokens: countNear(gaps) },
    refused: countRefused(gaps),
    crossings: route.crossings,
    traffic: trafficJson(route.traffic),
  };
}

function routeText(
  spec: string,
  routing: Routing,
  { cluster, experts }: Placement,
  route: Route,
  gaps: Float32Array,
): string {
  const { traffic } = route;
  const least = route.load.reduce((low, count) => Math.min(low, count), Number.POSITIVE_INFINITY);
  const byNodes = route.tokensByNodes.map((count, nodes) => `${nodes}: ${count}`).join(', ');
  const messages = traffic.nodeTokens.flat().reduce((sum, count) => sum + count, 0);
  const refused = countRefused(gaps);
  const times = messages === 0 ? '' : `, ${(route.crossings / messages).toFixed(2)} times as many`;
  return `${spec}: ${routing.tokens} tokens choose ${routing.topK} of ${experts} experts on ${cluster.gpus} GPUs in ${cluster.nodes} nodes

${table([
  [
    'experts',
    `busiest ${route.experts.most} tokens, ${route.experts.ratio.toFixed(3)} times the mean; idlest ${least}`,
  ],
  ['GPUs', `busiest ${route.gpus.most} choices, ${route.gpus.ratio.toFixed(3)} times the mean`],
  ['near ties', `${countNear(gaps)} tokens whose choice hangs on less than ${nearTie.toExponential()}`],
  ...(refused > 0 ? [['refused', `${refused} tokens, for a logit or bias that is no number`]] : []),
  ['nodes a token', `${traffic.nodesPerToken.toFixed(2)} (${byNodes})`],
  ['over IB', `${messages} messages, a token once a node; ${route.crossings} if each choice went by itself${times}`],
  [
    'dispatch',
    `${bytesText(traffic.dispatch.ib)} over IB, ${bytesText(traffic.dispatch.nvlink)} over NVLink, ${hidden} channels in FP8 with scales`,
  ],
  [
    'combine',
    `${bytesText(traffic.combine.ib)} over IB, ${bytesText(traffic.combine.nvlink)} over NVLink, ${hidden} in BF16`,
  ],
])}${linkTable(traffic)}`;
}
