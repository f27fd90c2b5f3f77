import { hardwareOf } from '../../../simulate/hardware.ts';
import { type ShownLane, shownLanes } from '../../../simulate/lanes.ts';
import { copyBytes, linkRates } from '../../../simulate/links.ts';
import { deepseekV3 } from '../../../simulate/model.ts';
import type { hardwareNames, PipelineSchedule, WhyQuestion } from '../../../simulate/names.ts';
import { bubbleFormula, pipelineMemory } from '../../../simulate/pipeline.ts';
import type { WireBytes } from '../../../simulate/program.ts';
import type { Scenario } from '../../../simulate/scenario.ts';
import { type Simulation, type SimulationResult, simulate } from '../../../simulate/simulate.ts';
import { type ChromeTrace, chromeTrace } from '../../../simulate/trace.ts';
import { simulateTraining, type TrainingRun } from '../../../simulate/training.ts';

/** What the page lets one choose of a deployment. */
export interface Settings {
  readonly hardware: (typeof hardwareNames)[number];
  readonly phase: Scenario['phase'];
  readonly nodes: number;
  /** Tokens a GPU; 0: as usual for the phase. */
  readonly tokens: number;
  readonly context: number;
  readonly sms: number;
  readonly overlap: boolean;
  readonly redundant: number;
  readonly limit: number;
  /** Zipf's exponent and the drift since experts were placed, in tenths. */
  readonly skew: number;
  readonly drift: number;
  readonly schedule: PipelineSchedule;
  readonly stages: number;
  readonly micros: number;
}

/** Tokens a GPU in a step, as is usual. */
export const usualTokens: Readonly<Record<Scenario['phase'], number>> = {
  prefill: 16_384,
  decode: 128,
  training: 4096,
};

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
    tokensPerGpu: settings.tokens === 0 ? usualTokens[phase] : settings.tokens,
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

/** The command that prints the same numbers. */
export function commandOf(settings: Settings): string {
  const { hardware, phase, nodes, context, sms, overlap, redundant, limit, skew, drift, schedule, stages, micros } =
    settings;
  const scenario = scenarioOf(settings);
  const words = ['npx fp8lab simulate', `--hardware ${hardware}`, `--phase ${phase}`, `--nodes ${nodes}`];
  words.push(`--tokens ${scenario.tokensPerGpu}`, `--context ${context}`);
  if (!overlap) words.push('--overlap none');
  if (phase !== 'decode') words.push(`--comm-sms ${sms}`);
  if (redundant > 0) words.push(`--redundant ${redundant}`);
  words.push(`--group-limit ${limit}`);
  if (skew > 0) words.push(`--skew ${skew / 10}`);
  if (drift > 0) words.push(`--drift ${drift / 10}`);
  if (phase === 'training') words.push(`--schedule ${schedule} --stages ${stages} --micro-batches ${micros}`);
  return `${words.join(' ')} --gantt timeline.svg --trace timeline.json`;
}

/** The command of a question. */
export const whyCommandOf = (question: WhyQuestion): string => `npx fp8lab simulate why ${question} --folder plots`;

/** A row of a timeline. */
export interface Lane {
  readonly name: string;
  /** What it runs on. */
  readonly note: string;
  /** Drawn low and by how full it is: a port of a link. */
  readonly link: boolean;
}

/** An operation of a timeline: seconds, and what there is to say of it. */
export interface Block {
  readonly lane: number;
  readonly kind: string;
  readonly micro: number;
  /** The model's layer, from 0; -1 where it has none. */
  readonly layer: number;
  readonly start: number;
  readonly end: number;
  /** Of ports: bytes that cross, and the share of what the port could carry in this time. */
  readonly bytes?: number;
  readonly share?: number;
}

/** Rows and operations to draw. */
export interface TimelineView {
  readonly lanes: readonly Lane[];
  readonly blocks: readonly Block[];
  readonly seconds: number;
}

/** What a pipeline schedule comes to. */
export interface PipelineView {
  readonly timeline: TimelineView;
  readonly seconds: number;
  /** Share of a device's time in which it waits; and by the formula, of the step. */
  readonly bubble: number;
  readonly formula: number;
  readonly forward: number;
  readonly backward: number;
  readonly weights: number;
  readonly overlapped: number;
  readonly parameters: number;
  readonly activations: number;
  readonly devices: number;
  readonly tokensPerSecondPerGpu: number;
  readonly tokensPerSecondPerNode: number;
}

/** A deployment as the page shows it. */
export interface DeploymentView {
  readonly result: SimulationResult;
  readonly timeline: TimelineView;
  readonly trace: ChromeTrace;
  readonly layers: number;
  readonly model: string;
  readonly hardware: string;
  readonly gemmSource: string;
  readonly pipeline?: PipelineView;
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

/** Seconds as a reader takes them in. */
export function timeText(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(3)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(2)} ms`;
  return `${(seconds * 1e6).toFixed(1)} µs`;
}

/** Bytes likewise. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}`;
}

/** An operation in words, with its numbers. */
export function blockText(
  { kind, micro, layer, start, end, bytes, share }: Block,
  lane: Lane,
  phase: Scenario['phase'],
): string {
  const which = phase === 'training' ? (micro === 0 ? ', forward' : ', backward') : `, micro-batch ${micro + 1}`;
  const where = layer < 0 ? '' : `, layer ${layer + 1}${which}`;
  const time = `${timeText(end - start)} from ${timeText(start)} to ${timeText(end)}`;
  const load =
    bytes === undefined
      ? ''
      : `; ${bytesText(bytes)} at ${bytesText(bytes / (end - start))}/s, ${(100 * share!).toFixed(0)} % of the port`;
  return `${lane.name} (${lane.note}): ${kind}${where}, ${time}${load}`;
}
