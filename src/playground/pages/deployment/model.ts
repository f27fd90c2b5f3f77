import { hardwareOf } from '../../../simulate/hardware.ts';
import { type ShownLane, shownLanes } from '../../../simulate/lanes.ts';
import { copyBytes, linkRates } from '../../../simulate/links.ts';
import { deepseekV3 } from '../../../simulate/model.ts';
import { bubbleFormula, pipelineMemory } from '../../../simulate/pipeline.ts';
import type { WireBytes } from '../../../simulate/program.ts';
import type { Scenario } from '../../../simulate/scenario.ts';
import { type Simulation, simulate } from '../../../simulate/simulate.ts';
import { chromeTrace } from '../../../simulate/trace.ts';
import { simulateTraining, type TrainingRun } from '../../../simulate/training.ts';
import {
  type Block,
  type DeploymentView,
  type Lane,
  type PipelineView,
  type Settings,
  type TimelineView,
  tokensOf,
} from './view.ts';

/** Layers of a stage of training. */
const stageLayers = 4;

/** The scenario of some settings: what the command line makes of {@link commandOf}. */
export function scenarioOf(settings: Settings): Scenario {
  const { phase } = settings;
  return {
    hardware: hardwareOf(settings.hardware),
    model: phase === 'training' ? { ...deepseekV3, layers: stageLayers, denseLayers: 0 } : deepseekV3,
    phase,
    nodes: settings.nodes,
    tokensPerGpu: tokensOf(settings),
    context: settings.context,
    cached: 0,
    overlap: settings.overlap ? 'two' : 'none',
    commSms: settings.sms,
    launch: 'ibgda',
    redundant: settings.redundant,
    planSeconds: 0,
    planning: 'separate',
    groupLimit: settings.limit,
    skew: settings.skew / 10,
    drift: settings.drift / 10,
    seed: 1,
  };
}

/** Simulates some settings. */
export function deploymentView(settings: Settings): DeploymentView {
  const scenario = scenarioOf(settings);
  const { schedule, stages, micros: microBatches } = settings;
  const training =
    scenario.phase === 'training' ? simulateTraining(scenario, { schedule, stages, microBatches }) : undefined;
  const simulation = training?.pair ?? simulate(scenario);
  const lanes = shownLanes(simulation);
  const traced = lanes.map(({ stream, gpu, what }) => ({ stream, process: gpu, name: what }));
  return {
    result: simulation.result,
    timeline: timelineOf(simulation, scenario, lanes),
    trace: chromeTrace(simulation.graph, simulation.timeline, traced),
    layers: scenario.model.layers,
    model: scenario.model.name,
    hardware: scenario.hardware.name,
    gemmSource: scenario.hardware.efficiency.gemmSource,
    ...(training && { pipeline: pipelineView(training, scenario.hardware.gpusPerNode) }),
  };
}

const ports = [
  ['ibSent', 'ib', 'IB, sending', 'network card'],
  ['ibReceived', 'ib', 'IB, receiving', 'network card'],
  ['nvlinkSent', 'nvlink', 'NVLink, sending', 'NVLink'],
  ['nvlinkReceived', 'nvlink', 'NVLink, receiving', 'NVLink'],
] as const;

function timelineOf(simulation: Simulation, scenario: Scenario, shown: readonly ShownLane[]): TimelineView {
  const { graph, timeline } = simulation;
  const lanes: Lane[] = [];
  const blocks: Block[] = [];
  const layerOf = layerCounter(scenario);
  for (const { stream, gpu, what, on } of shown) {
    const lane = lanes.push({ name: `GPU ${gpu}, ${what}`, note: on, link: false }) - 1;
    const own: Block[] = [];
    graph.stream.forEach((of, task) => {
      const [start, end] = [timeline.start[task]!, timeline.end[task]!];
      if (of !== stream || end === start) return;
      const [kind, micro] = [graph.kind[task]!, graph.micro[task]!];
      own.push({ lane, kind, micro, layer: layerOf(`${gpu} ${what}`, kind, micro), start, end });
    });
    blocks.push(...own);
    if (what === 'compute') continue;
    for (const [port, link, name, note] of ports) {
      const row = lanes.push({ name: `GPU ${gpu}, ${name}`, note, link: true }) - 1;
      blocks.push(...portBlocks(own, row, gpu, port, link, simulation, scenario));
    }
  }
  return { lanes, blocks, seconds: timeline.makespan };
}

/** Tells which layer the next operation of a kind belongs to: a lane has them in order, backward from the last. */
function layerCounter({ model, phase }: Scenario): (lane: string, kind: string, micro: number) => number {
  const counts = new Map<string, number>();
  const everyLayer = new Set(['attention', 'projections', 'attention back', 'attention weights', 'dense MLP']);
  return (lane, kind, micro) => {
    if (kind === 'head' || kind === 'planning') return -1;
    const key = `${lane} ${kind} ${micro}`;
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    if (phase === 'training' && micro === 1) return model.layers - 1 - count;
    return count + (everyLayer.has(kind) ? 0 : model.denseLayers);
  };
}

function portBlocks(
  all: readonly Block[],
  lane: number,
  gpu: number,
  port: keyof WireBytes,
  link: 'ib' | 'nvlink',
  { workload }: Simulation,
  scenario: Scenario,
): Block[] {
  const sizes = copyBytes(scenario);
  const rate = linkRates(scenario)[link];
  const back = (port.endsWith('Sent') ? `${link}Received` : `${link}Sent`) as keyof WireBytes;
  return all.flatMap((block) => {
    if (block.kind !== 'dispatch' && block.kind !== 'combine') return [];
    const work = workload.layers[(block.layer - scenario.model.denseLayers) % workload.layers.length]!;
    const bytes = work[block.kind === 'dispatch' ? port : back][gpu]! * sizes[block.kind];
    return bytes === 0 ? [] : [{ ...block, lane, bytes, share: bytes / rate / (block.end - block.start) }];
  });
}

function pipelineView(training: TrainingRun, gpusPerNode: number): PipelineView {
  const { pipeline, run, seconds, bubble, tokensPerSecondPerGpu } = training;
  const { graph, timeline } = run;
  const lanes = graph.streams.map((name) => ({ name, note: 'of the pipeline', link: false }));
  const blocks = graph.stream.map((lane, task): Block => {
    const [start, end] = [timeline.start[task]!, timeline.end[task]!];
    return { lane, kind: graph.kind[task]!, micro: 0, layer: -1, start, end };
  });
  const { forward, backward, weights } = pipeline;
  return {
    timeline: { lanes, blocks, seconds },
    seconds,
    bubble,
    formula: bubbleFormula(pipeline) / seconds,
    forward,
    backward,
    weights,
    overlapped: pipeline.overlapped!,
    ...pipelineMemory(pipeline),
    tokensPerSecondPerGpu,
    tokensPerSecondPerNode: tokensPerSecondPerGpu * gpusPerNode,
  };
}
