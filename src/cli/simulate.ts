import { exitCodes } from '../errors.ts';
import { ganttPicture } from '../simulate/gantt.ts';
import { sourcesOf } from '../simulate/hardware.ts';
import { shownLanes } from '../simulate/lanes.ts';
import type { PipelineSchedule } from '../simulate/names.ts';
import { bubbleFormula } from '../simulate/pipeline.ts';
import type { Scenario } from '../simulate/scenario.ts';
import { type Simulation, type SimulationResult, simulate } from '../simulate/simulate.ts';
import { chromeTrace } from '../simulate/trace.ts';
import { simulateTraining, type TrainingRun } from '../simulate/training.ts';
import type { Io } from './io.ts';
import { bytesText, requireEnding, writeOutput } from './moe.ts';
import { type DeploymentOptions, scenarioOf } from './simulate-options.ts';
import { table } from './table.ts';

/** Options of `fp8lab simulate`. */
export interface SimulateOptions extends DeploymentOptions {
  readonly gantt?: string;
  readonly trace?: string;
  readonly out?: string;
  readonly showLayers: number;
  readonly schedule: PipelineSchedule;
  readonly stages: number;
  readonly microBatches: number;
}

/** `fp8lab simulate`: one step of a deployment. */
export async function simulateCommand(options: SimulateOptions, io: Io): Promise<number> {
  requireEnding(options.out, ['.json'], '--out');
  requireEnding(options.trace, ['.json'], '--trace');
  requireEnding(options.gantt, ['.svg'], '--gantt');
  const scenario = await scenarioOf(options);
  const training = scenario.phase === 'training' ? simulateTraining(scenario, options) : undefined;
  const simulation = training?.pair ?? simulate(scenario);
  const json = {
    schemaVersion: 1,
    scenario: scenarioJson(scenario),
    ...simulation.result,
    ...(training && { training: trainingJson(training) }),
    sources: sourcesOf(scenario.hardware),
  };
  if (options.out !== undefined) await writeOutput(options.out, `${JSON.stringify(json)}\n`, io);
  if (options.gantt !== undefined)
    await writeOutput(options.gantt, gantt(simulation, scenario, options.showLayers), io);
  if (options.trace !== undefined) await writeOutput(options.trace, `${JSON.stringify(trace(simulation))}\n`, io);
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : resultText(scenario, simulation.result, training));
  return exitCodes.ok;
}

/** A scenario as JSON: what was given, with the hardware by name. */
export function scenarioJson({ hardware, model, loads, routings, placement, ...rest }: Scenario): unknown {
  const given = { loads: loads !== undefined, routings: routings !== undefined, placement: placement !== undefined };
  return { hardware: hardware.name, model: model.name, layers: model.layers, ...rest, given };
}

/** A training step as JSON. */
export function trainingJson({ pipeline, seconds, bubble, tokensPerSecondPerGpu }: TrainingRun): object {
  return { ...pipeline, seconds, bubble, formula: bubbleFormula(pipeline), tokensPerSecondPerGpu };
}

function gantt(simulation: Simulation, scenario: Scenario, layers: number): string {
  const { graph, timeline, result } = simulation;
  const lanes = shownLanes(simulation).map(({ stream, gpu, on }) => ({ stream, name: `GPU ${gpu}, ${on}` }));
  const share = layers / scenario.model.layers;
  const from = share >= 1 ? 0 : timeline.makespan * 0.4;
  const name = { prefill: 'Prefill', decode: 'Decode', training: 'A stage of training' }[scenario.phase];
  const micro = scenario.phase === 'training' ? 'forward, and backward paler' : 'two micro-batches, the second paler';
  return ganttPicture(graph, timeline, {
    title: `${name} on ${scenario.nodes} nodes: ${(result.seconds * 1e3).toFixed(1)} ms ${scenario.phase === 'training' ? 'a pair of chunks' : `a step, ${Math.round(result.tokensPerSecondPerNode)} tokens/s a node`}`,
    subtitle: `${scenario.hardware.name}; ${scenario.tokensPerGpu} tokens a GPU; ${scenario.overlap === 'two' ? micro : 'nothing beside the all-to-all'}; longest on the critical path: ${result.bottleneck}`,
    lanes,
    window: [from, Math.min(timeline.makespan, from + timeline.makespan * share)],
    unit: ['ms', 1e3],
  });
}

function trace(simulation: Simulation): unknown {
  const lanes = shownLanes(simulation).map(({ stream, gpu, what }) => ({ stream, process: gpu, name: what }));
  return chromeTrace(simulation.graph, simulation.timeline, lanes);
}

function servingRows({ phase }: Scenario, result: SimulationResult): string[][] {
  const step = `${(result.seconds * 1e3).toFixed(2)} ms`;
  const { tokensPerSecondPerGpu, tokensPerSecondPerNode } = result;
  return [
    ['step', step],
    ['throughput', `${Math.round(tokensPerSecondPerGpu)} tokens/s a GPU, ${Math.round(tokensPerSecondPerNode)} a node`],
    ['latency of a token', phase === 'decode' ? step : `${step} to the first, of this step alone`],
  ];
}

function trainingRows(
  { overlap, hardware }: Scenario,
  { pipeline, seconds, bubble, tokensPerSecondPerGpu }: TrainingRun,
): string[][] {
  const ms = (time: number): string => `${(time * 1e3).toFixed(1)} ms`;
  const { forward, backward, weights, overlapped, schedule, stages, microBatches } = pipeline;
  const perNode = Math.round(tokensPerSecondPerGpu * hardware.gpusPerNode);
  return [
    ['pair of chunks', `${ms(overlapped!)} ${overlap === 'two' ? 'overlapped' : 'apart'}`],
    ['chunks alone', `forward ${ms(forward)}, backward ${ms(backward)}, of it weights ${ms(weights)}`],
    ['step', `${seconds.toFixed(3)} s: ${schedule}, ${stages} stages, ${microBatches} micro-batches`],
    ['bubble', `${percent(bubble)} of a device`],
    ['throughput', `${Math.round(tokensPerSecondPerGpu)} tokens/s a GPU, ${perNode} a node`],
  ];
}

type Port = SimulationResult['utilization']['links']['ibSent'];

const linkText = (sent: Port, received: Port): string =>
  `sending ${percent(sent.mean)} (busiest ${percent(sent.busiest)}), receiving ${percent(received.mean)} (${percent(received.busiest)})`;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function resultText(scenario: Scenario, result: SimulationResult, training: TrainingRun | undefined): string {
  const { utilization, criticalPath, seconds } = result;
  const longest = criticalPath.slice(0, 5).map(([kind, time]) => `${kind} ${percent(time / seconds)}`);
  const rows = [
    ...(training === undefined ? servingRows(scenario, result) : trainingRows(scenario, training)),
    [
      'computing SMs',
      `${utilization.computeSms}, busy ${percent(utilization.computeMean)} (busiest GPU ${percent(utilization.computeBusiest)})`,
    ],
    ['all-to-all', `${utilization.commSms} SMs, busy ${percent(utilization.commMean)}`],
    ['IB ports', linkText(utilization.links.ibSent, utilization.links.ibReceived)],
    ['NVLink ports', linkText(utilization.links.nvlinkSent, utilization.links.nvlinkReceived)],
    ['bytes of the step', `${bytesText(result.bytes.ib)} over IB, ${bytesText(result.bytes.nvlink)} over NVLink`],
    ['rows, max/mean', result.imbalance.toFixed(3)],
    ['critical path', longest.join(', ')],
    ['bottleneck', result.bottleneck],
    ['speeds of gemms', scenario.hardware.efficiency.gemmSource],
  ];
  return `${scenario.model.name}, ${scenario.phase}, ${scenario.nodes} nodes of ${scenario.hardware.name}, ${scenario.tokensPerGpu} tokens a GPU\n\n${table(rows)}`;
}
