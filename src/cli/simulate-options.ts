import { inputError } from '../errors.ts';
import { checkPlacement, type Placement } from '../moe/placement.ts';
import { sumOf } from '../moe/policies.ts';
import { type Hardware, hardwareOf, parseHardware } from '../simulate/hardware.ts';
import { measuredHardware } from '../simulate/measured.ts';
import { deepseekV3 } from '../simulate/model.ts';
import type { Scenario } from '../simulate/scenario.ts';
import { type LoadOptions, readJson, readLoads, readText } from './moe.ts';

/** Options that describe a deployment. */
export interface DeploymentOptions {
  readonly hardware: string;
  /** What `fp8lab-bench run` printed: its speeds take the place of the profile's. */
  readonly measured?: string;
  readonly phase: 'prefill' | 'decode';
  readonly nodes: number;
  readonly tokens?: number;
  readonly context: number;
  readonly overlap: 'two' | 'none';
  readonly commSms: number;
  readonly launch: 'ibgda' | 'proxy';
  readonly redundant: number;
  readonly hosted?: number;
  readonly active?: number;
  readonly planUs: number;
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
  const profile = await readHardware(options.hardware);
  const hardware =
    options.measured === undefined
      ? profile
      : measuredHardware(profile, await readText(options.measured), options.measured);
  const model =
    options.layers === undefined
      ? deepseekV3
      : { ...deepseekV3, layers: options.layers, denseLayers: Math.min(3, options.layers - 1) };
  if (!Number.isInteger(model.layers) || model.layers < 2) {
    throw inputError(`layers is ${model.layers}`, 'bad-count', '--layers', 'give a whole number of at least 2');
  }
  const { phase, nodes, hosted, active } = options;
  const gpus = nodes * hardware.gpusPerNode;
  const redundant = hosted === undefined ? options.redundant : hosted * gpus - model.experts;
  return {
    hardware,
    model,
    phase,
    nodes,
    tokensPerGpu: options.tokens ?? (phase === 'prefill' ? 16_384 : 128),
    context: options.context,
    overlap: options.overlap,
    commSms: options.commSms,
    launch: options.launch,
    redundant,
    ...(hosted === undefined ? {} : { active: active ?? hosted }),
    planSeconds: options.planUs * 1e-6,
    ...(options.groupLimit === undefined ? {} : { groupLimit: options.groupLimit }),
    skew: options.skew,
    drift: options.drift,
    seed: options.seed,
    ...(await readGiven(options, model.experts)),
  };
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
