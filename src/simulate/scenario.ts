import { inputError } from '../errors.ts';
import type { Cluster } from '../moe/cluster.ts';
import { drawRouting, generateLoads } from '../moe/generate.ts';
import { type ExpertLoads, requireCount, requireDivisible, requireRedundant } from '../moe/loads.ts';
import { checkPlacement, type Placement, placementOf, uniformPlacement } from '../moe/placement.ts';
import { rebalanceExperts } from '../moe/rebalance.ts';
import { planRedundancy } from '../moe/redundancy.ts';
import { type Routing, routingOf } from '../moe/routing.ts';
import type { Hardware } from './hardware.ts';
import type { ModelShape } from './model.ts';
import { assignLayer, type CommMode, checkConserved, type LayerWork, layerWork } from './wire.ts';

/** The optimum of dynamic redundancy for 4,096 tokens on 32 GPUs, as this library computes it on a CPU core (docs/moe-placement.md). */
export const optimumSeconds = 4.2e-3;

/** One step of a deployment. */
export interface Scenario {
  readonly hardware: Hardware;
  readonly model: ModelShape;
  /** `training`: a forward and a backward of a stage's layers, of two micro-batches. */
  readonly phase: 'prefill' | 'decode' | 'training';
  readonly nodes: number;
  /** Tokens a GPU has in a step: prompt tokens, or requests that each get one token. */
  readonly tokensPerGpu: number;
  /** Length of prompts, or of the cache. */
  readonly context: number;
  /** Tokens of each prompt that a cache already holds: attended to, not computed. Of prefill; default 0. */
  readonly cached?: number;
  /** `two`: two micro-batches, each hiding the other's all-to-all; `none`: one after the other. */
  readonly overlap: 'two' | 'none';
  /** SMs of the all-to-all in normal mode; low-latency mode needs none. */
  readonly commSms: number;
  /** `ibgda`: GPUs post their messages; `proxy`: a CPU thread does. Of low-latency mode. */
  readonly launch: 'ibgda' | 'proxy';
  /** Duplicates of experts in a layer. */
  readonly redundant: number;
  /** Set: dynamic redundancy, tokens to replicas by the optimum with this many experts active a GPU. */
  readonly active?: number;
  /** Seconds that the optimum itself takes before each layer's dispatch. */
  readonly planSeconds: number;
  /** `separate`: a kernel and an exchange of counts of its own; `fused`: in the dispatch, which exchanges counts anyhow. Default `separate`. */
  readonly planning?: 'separate' | 'fused';
  /** Most groups that a token chooses from; undefined: the model's own. */
  readonly groupLimit?: number;
  /** Popularity of experts: exponent of Zipf's law, and how far loads have drifted since the plan was made, 0 to 1. */
  readonly skew: number;
  readonly drift: number;
  readonly seed: number;
  /** Given loads [layer][expert] or routings [layer] instead of generated ones; layers beyond them start again with the first. */
  readonly loads?: ExpertLoads;
  readonly routings?: readonly Routing[];
  readonly placement?: Placement;
}

/** Refuses scenarios that contradict themselves. */
export function checkScenario(scenario: Scenario): void {
  const { hardware, nodes, tokensPerGpu, context, commSms, redundant, planSeconds } = scenario;
  requireCount(nodes, 'nodes');
  requireCount(tokensPerGpu, 'tokensPerGpu');
  requireCount(context, 'context');
  requireRedundant(redundant, scenario.model.experts, nodes * hardware.gpusPerNode);
  if (scenario.active !== undefined) requireCount(scenario.active, 'active');
  if (scenario.cached !== undefined) requireCount(scenario.cached, 'cached', 0);
  if (!(planSeconds >= 0)) {
    throw inputError(`planSeconds is ${planSeconds}`, 'out-of-range', 'planSeconds', 'give 0 or more seconds');
  }
  if (splits(scenario)) requireDivisible(tokensPerGpu, 'tokens a GPU', 2, 'micro-batches');
  requireCount(commSms, 'commSms');
  if (commSms >= hardware.sms) {
    const problem = `${commSms} SMs for communication leave none of ${hardware.sms} for computing`;
    throw inputError(problem, 'too-many-sms', 'commSms', `give at most ${hardware.sms - 1}`);
  }
}

/** Distinct layers that are drawn where none are given: more would tell the same. */
const drawnLayers = 4;
/** True where a step's tokens are halved into micro-batches. In training each direction has a micro-batch of its own. */
export const splits = ({ overlap, phase }: Scenario): boolean => overlap === 'two' && phase !== 'training';

/** Most tokens that are drawn for a layer; where GPUs need more, they begin again with the first. */
const pool = 16_384;
/** Most tokens of a GPU that are looked at one by one; each then stands for several. */
const looked = 256;

/** Placements and routed work of a scenario. */
export interface Workload {
  readonly cluster: Cluster;
  readonly placement: Placement;
  /** [distinct layer]: work of one micro-batch; layer l of the model is entry l mod their number. */
  readonly layers: readonly LayerWork[];
  /** [distinct layer]: the routing decisions that were counted, and the loads for which experts were placed. */
  readonly routings: readonly Routing[];
  readonly planned: ExpertLoads;
}

/** How tokens travel in a phase. */
export const modeOf = ({ phase }: Scenario): CommMode => (phase === 'decode' ? 'low-latency' : 'normal');

/** Draws or takes the routing decisions, places the experts and counts what every GPU has to do. */
export function prepare(scenario: Scenario): Workload {
  checkScenario(scenario);
  const { hardware, model, nodes } = scenario;
  const cluster = { nodes, gpus: nodes * hardware.gpusPerNode };
  const { planned, now } = loadsOf(scenario);
  const placement = scenario.placement ?? place(planned, cluster, scenario);
  checkPlacement(placement);
  if (placement.experts !== model.experts || placement.cluster.gpus !== cluster.gpus) {
    const problem = `the placement is of ${placement.experts} experts on ${placement.cluster.gpus} GPUs, the model has ${model.experts} and the cluster ${cluster.gpus}`;
    throw inputError(problem, 'bad-plan', 'placement', 'plan for this model and cluster');
  }
  const batch = scenario.tokensPerGpu / (splits(scenario) ? 2 : 1);
  const taken = Math.min(batch, looked);
  const routings =
    scenario.routings ??
    now.map((row, layer) => spread(drawn(row, layer, scenario, cluster.gpus * taken), cluster.gpus, taken));
  const layers = routings.map((routing, layer) => {
    const placed = layer % placement.physicalToLogical.length;
    const assignment = assignLayer(routing, placement, placed, scenario.active);
    const work = layerWork(routing, assignment, placement, modeOf(scenario), (batch * cluster.gpus) / routing.tokens);
    checkConserved(work);
    return work;
  });
  return { cluster, placement, layers, routings, planned };
}

/** Loads for which experts are placed, and those that come. */
function loadsOf({ loads, routings, model, skew, drift, seed }: Scenario): { planned: ExpertLoads; now: ExpertLoads } {
  if (loads !== undefined) return { planned: loads, now: loads };
  const layers = routings?.length ?? drawnLayers;
  const recipe = { layers, experts: model.experts, tokens: 65_536, topK: model.topK, skew, drift, seed };
  const series = generateLoads({ ...recipe, steps: drift === 0 ? 1 : 2 });
  return { planned: series[0]!, now: series.at(-1)! };
}

/** Layers drawn last, by all that decides them: sweeps and sliders ask for the same ones again and again. Half a MB each at most. */
const drawnLately = new Map<string, Routing>();
const keptLayers = 32;

function drawn(loads: ArrayLike<number>, layer: number, scenario: Scenario, most: number): Routing {
  const { model, groupLimit = model.groupLimit, seed, skew, drift } = scenario;
  const { topK, groups, experts } = model;
  const tokens = Math.min(pool, most);
  const draw = (): Routing => {
    const possible = Float64Array.from(loads, (load) => Math.max(load, 1e-3));
    return drawRouting(possible, { tokens, topK, seed: seed + 1 + layer, groups, groupLimit });
  };
  if (scenario.loads !== undefined) return draw();
  const key = [experts, topK, groups, groupLimit, skew, drift, seed, layer, tokens].join();
  const routing = drawnLately.get(key) ?? draw();
  drawnLately.delete(key);
  drawnLately.set(key, routing);
  if (drawnLately.size > keptLayers) drawnLately.delete(drawnLately.keys().next().value!);
  return routing;
}

/** Gives every GPU `each` tokens of a pool, one stretch after the other. */
function spread(source: Routing, gpus: number, each: number): Routing {
  const { topK, topkIdx } = source;
  const indices = new Int32Array(gpus * each * topK);
  for (let token = 0; token < gpus * each; token++) {
    const from = (token % source.tokens) * topK;
    indices.set(topkIdx.subarray(from, from + topK), token * topK);
  }
  return routingOf(indices, topK, source.experts);
}

/** Experts where a layer has them: in their nodes where they divide among the GPUs, else by EPLB's global policy. */
function place(loads: ExpertLoads, cluster: Cluster, { model, redundant, active }: Scenario): Placement {
  const { experts } = model;
  if (experts % cluster.gpus === 0 && redundant % cluster.nodes === 0) {
    const even = uniformPlacement(loads.length, experts, cluster);
    return planRedundancy(loads, even, { redundant, dynamic: active !== undefined });
  }
  const replicas = experts + redundant;
  if (replicas % cluster.gpus !== 0) {
    const problem = `${experts} experts and ${redundant} duplicates do not divide by ${cluster.gpus} GPUs`;
    const fix = `give ${Math.ceil(replicas / cluster.gpus) * cluster.gpus - experts} redundant experts`;
    throw inputError(problem, 'not-divisible', 'redundant', fix);
  }
  return placementOf(rebalanceExperts(loads, { replicas, groups: 1, nodes: 1, gpus: cluster.gpus }), cluster);
}
