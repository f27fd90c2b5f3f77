import { gateReference } from '../../../kernels/gate/reference.ts';
import { assignTokens } from '../../../moe/assign.ts';
import { balanceOf } from '../../../moe/loads.ts';
import { gpuLoads, type Placement, placementOf, uniformPlacement } from '../../../moe/placement.ts';
import { rebalanceExperts } from '../../../moe/rebalance.ts';
import { countExperts, gpuOfToken, type Routing, routingOf } from '../../../moe/routing.ts';
import { trafficOf } from '../../../moe/traffic.ts';
import { bitsOf, fromBits } from '../../../numerics/f32.ts';
import { generate } from '../../../tensors/generate.ts';
import type { Tensor } from '../../../tensors/tensor.ts';
import {
  biasTensor,
  type Course,
  cluster,
  type Flows,
  type Gated,
  gateSpec,
  input,
  layer,
  type Placed,
  type RoutingRequest,
  type RoutingSettings,
  type RoutingView,
} from './view.ts';

const normals = (seed: number, shape: readonly number[]): Float32Array =>
  Float32Array.from(generate(input(seed), shape).codes, fromBits);

/** Logits of a batch: each expert's own popularity, the same in every batch of a seed, and what the token makes of it. */
export function logitsOf({ skew, temperature, seed }: Omit<RoutingSettings, 'speed'>, batch: number): Tensor {
  const popularity = normals(1000 + seed, [layer.experts]);
  const taste = normals(2000 + 64 * seed + batch, [layer.tokens, layer.experts]);
  const codes = Uint32Array.from(taste, (value, i) =>
    bitsOf(Math.fround((value + (skew / 10) * popularity[i % layer.experts]!) / (temperature / 10))),
  );
  return { dtype: 'F32', shape: [layer.tokens, layer.experts], codes };
}

/** Routes a batch by the reference gate. */
export function routeBatch(logits: Tensor, bias: Float32Array): Gated {
  const results = gateReference(gateSpec, { logits, bias: biasTensor(bias) });
  const chosen = results.topk_idx!;
  const routing = routingOf(
    Int32Array.from(chosen.codes, (code) => code | 0),
    layer.topk,
    layer.experts,
  );
  const load = countExperts(routing);
  const gaps = Float32Array.from(results.near_ties!.codes, fromBits);
  return { routing, load, gaps, imbalance: balanceOf(load).ratio, chosen };
}

/** The bias after a batch (V3 section 2.1.2): down by `speed` where an expert had more than the mean, up where it had less. */
export function nextBias(bias: Float32Array, load: Float64Array, speed: number): Float32Array {
  const mean = load.reduce((sum, count) => sum + count, 0) / load.length;
  return bias.map((value, expert) => value - speed * Math.sign(load[expert]! - mean));
}

function placed(placement: Placement, routing: Routing, load: Float64Array): Placed {
  const { physical } = assignTokens(routing, placement, 0, 'hash');
  const loads = gpuLoads(placement, 0, load);
  const copies = new Array<number>(layer.experts).fill(0);
  for (const expert of placement.physicalToLogical[0]!) if (expert >= 0) copies[expert]!++;
  return {
    placement,
    gpuLoads: loads,
    imbalance: balanceOf(loads).ratio,
    traffic: trafficOf(routing, physical, placement.slotsPerGpu, cluster),
    copies,
  };
}

/** Experts in order, and as the load balancer places them with `redundant` copies a GPU. */
export function placements({ routing, load }: Gated, redundant: number): { before: Placed; after: Placed } {
  const replicas = layer.experts + redundant * cluster.gpus;
  const balanced = rebalanceExperts([load], { replicas, groups: layer.groups, ...cluster });
  return {
    before: placed(uniformPlacement(1, layer.experts, cluster), routing, load),
    after: placed(placementOf(balanced, cluster), routing, load),
  };
}

/** Counts the flows of a routing under a placement. */
export function flowsOf({ routing, load }: Gated, { placement, copies }: Placed): Flows {
  const sourceToGroup = Array.from({ length: cluster.gpus }, () => new Float64Array(layer.groups));
  const size = layer.experts / layer.groups;
  routing.topkIdx.forEach((expert, at) => {
    const source = gpuOfToken(Math.floor(at / routing.topK), routing.tokens, cluster.gpus);
    if (expert >= 0) sourceToGroup[source]![Math.floor(expert / size)]!++;
  });
  const expertToGpu = Array.from({ length: layer.experts }, () => new Float64Array(cluster.gpus));
  placement.physicalToLogical[0]!.forEach((expert, physical) => {
    if (expert >= 0)
      expertToGpu[expert]![Math.floor(physical / placement.slotsPerGpu)]! += load[expert]! / copies[expert]!;
  });
  return { sourceToGroup, expertToGpu };
}

/** Goes on to a batch from where a course has come to, or from the first one: all else follows from the batch. `tell` gets each batch. */
function courseTo({ settings, batch, from }: RoutingRequest, tell: (batch: number) => void): Course {
  const route = (at: number, bias: Float32Array, history: readonly number[]): Course => {
    const logits = logitsOf(settings, at);
    const gated = routeBatch(logits, bias);
    return { batch: at, bias, logits, gated, history: [...history.slice(-99), gated.imbalance] };
  };
  let course = from !== undefined && from.batch <= batch ? from : route(0, new Float32Array(layer.experts), []);
  while (course.batch < batch) {
    const bias = nextBias(course.bias, course.gated.load, settings.speed / 1000);
    course = route(course.batch + 1, bias, course.history);
    tell(course.batch);
  }
  return course;
}

/** Everything that the page shows of a batch. */
export function routingView(request: RoutingRequest, tell: (batch: number) => void = () => {}): RoutingView {
  const course = courseTo(request, tell);
  const { before, after } = placements(course.gated, request.redundant);
  return { course, before, after, flows: flowsOf(course.gated, before) };
}
