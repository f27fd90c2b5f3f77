import { inputError } from '../errors.ts';
import { checkPlacement, type Placement } from '../moe/placement.ts';
import { sumOf } from '../moe/policies.ts';
import { type Hardware, hardwareOf, parseHardware } from '../simulate/hardware.ts';
import { measuredHardware } from '../simulate/measured.ts';
import { deepseekV3 } from '../simulate/model.ts';
import { optimumSeconds, type Scenario } from '../simulate/scenario.ts';
import { type LoadOptions, readJson, readLoads, readText } from './moe.ts';

/** Options that describe a deployment. */
export interface DeploymentOptions {
  readonly hardware: string;
  /** What `fp8lab-bench run` printed: its speeds take the place of the profile's. */
  readonly measured?: string;
  readonly phase: Scenario['phase'];
  readonly nodes?: number;
  readonly tokens?: number;
  readonly context: number;
  readonly cached: number;
  readonly overlap: 'two' | 'none';
  readonly commSms: number;
  readonly launch: 'ibgda' | 'proxy';
  readonly redundant: number;
  readonly hosted?: number;
  readonly active?: number;
  readonly planUs?: number;
  readonly planning: 'separate' | 'fused';
  readonly groupLimit?: number;
  readonly skew: number;
  readonly drift: number;
  readonly seed: number;
  readonly layers?: number;
  readonly loads?: string;
  readonly plan?: string;
  readonly json?: boolean;
}

/** The scenario that options describe. */
export async function scenarioOf(options: DeploymentOptions): Promise<Scenario> {
  const { phase, hosted, active } = options;
  const training = phase === 'training';
  const hardware = await measuredOrNot(options.hardware, options.measured);
  const layers = options.layers ?? (training ? 4 : deepseekV3.layers);
  // Stages of training are alike: layers with experts.
  const model = { ...deepseekV3, layers, denseLayers: training ? 0 : Math.min(3, layers - 1) };
  if (!Number.isInteger(layers) || layers < (training ? 1 : 2)) {
    const fix = `give a whole number of at least ${training ? 1 : 2}`;
    throw inputError(`layers is ${layers}`, 'bad-count', '--layers', fix);
  }
  const nodes = options.nodes ?? (training ? 8 : 4);
  const gpus = nodes * hardware.gpusPerNode;
  const redundant = hosted === undefined ? options.redundant : hosted * gpus - model.experts;
  if (hosted !== undefined && redundant < 0) {
    const problem = `${gpus} GPUs that host ${hosted} hold ${hosted * gpus} of ${model.experts} experts`;
    throw inputError(problem, 'too-few-slots', '--hosted', `give at least ${Math.ceil(model.experts / gpus)}`);
  }
  return {
    hardware,
    model,
    phase,
    nodes,
    tokensPerGpu: options.tokens ?? { prefill: 16_384, decode: 128, training: 4096 }[phase],
    context: options.context,
    cached: options.cached,
    overlap: options.overlap,
    commSms: options.commSms,
    launch: options.launch,
    redundant,
    ...(hosted === undefined ? {} : { active: active ?? hosted }),
    planSeconds: options.planUs === undefined ? (hosted === undefined ? 0 : optimumSeconds) : options.planUs * 1e-6,
    planning: options.planning,
    ...(options.groupLimit === undefined ? {} : { groupLimit: options.groupLimit }),
    skew: options.skew,
    drift: options.drift,
    seed: options.seed,
    ...(await readGiven(options, model.experts)),
  };
}

/** A node type, with measured speeds where a file of them is given. */
export async function measuredOrNot(name: string, measured: string | undefined): Promise<Hardware> {
  const profile = await readHardware(name);
  return measured === undefined ? profile : measuredHardware(profile, await readText(measured), measured);
}

/** A shipped node type by name, or a JSON file of one. */
export async function readHardware(name: string): Promise<Hardware> {
  return name.endsWith('.json') ? parseHardware(await readJson(name), name) : hardwareOf(name);
}

async function readGiven(
  { loads, plan }: DeploymentOptions,
  experts: number,
): Promise<Pick<Scenario, 'loads' | 'routings' | 'placement'>> {
  const given: { -readonly [K in 'loads' | 'routings' | 'placement']?: Scenario[K] } = {};
  if (loads !== undefined) {
    const { series, routings } = await readLoads(loads, { experts } as LoadOptions);
    given.loads = sumOf(series);
    if (given.loads[0]!.length !== experts) {
      const problem = `the loads are of ${given.loads[0]!.length} experts, the model has ${experts}`;
      throw inputError(problem, 'wrong-length', loads, 'give loads of the model');
    }
    if (routings !== undefined) given.routings = routings;
  }
  if (plan !== undefined) given.placement = await readPlacement(plan);
  return given;
}

/** A plan that `fp8lab moe plan --out` wrote. */
export async function readPlacement(path: string): Promise<Placement> {
  const { cluster, experts, slotsPerGpu, physicalToLogical } = ((await readJson(path)) ?? {}) as Placement;
  if (!cluster || !Array.isArray(physicalToLogical) || !physicalToLogical.every(Array.isArray)) {
    throw inputError('this is no plan', 'bad-plan', path, 'give a file that `fp8lab moe plan --out` wrote');
  }
  const placement = { cluster, experts, slotsPerGpu, physicalToLogical };
  checkPlacement(placement);
  return placement;
}
