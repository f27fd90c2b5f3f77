import type { hardwareNames, PipelineSchedule, WhyQuestion } from '../../../simulate/names.ts';
import type { Scenario } from '../../../simulate/scenario.ts';
import type { SimulationResult } from '../../../simulate/simulate.ts';
import type { ChromeTrace } from '../../../simulate/trace.ts';

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

/** Tokens a GPU of some settings. */
export const tokensOf = ({ tokens, phase }: Settings): number => (tokens === 0 ? usualTokens[phase] : tokens);

/** Experts of a layer of DeepSeek-V3. */
const experts = 256;

/** Redundant experts that nodes of 8 GPUs can have: each node as many where the experts themselves divide among the GPUs, else each GPU as many. */
export function redundantSteps(nodes: number): { readonly least: number; readonly step: number } {
  const gpus = 8 * nodes;
  const over = experts % gpus;
  return over === 0 ? { least: 0, step: nodes } : { least: gpus - over, step: gpus };
}

/** The redundant experts of a deployment that is changed to so many nodes: as before where they fit, else the least. */
export function redundantFor(nodes: number, before: number): number {
  const { least, step } = redundantSteps(nodes);
  return before >= least && (before - least) % step === 0 ? before : least;
}

/** The command that prints the same numbers. */
export function commandOf(settings: Settings): string {
  const { hardware, phase, nodes, context, sms, overlap, redundant, limit, skew, drift, schedule, stages, micros } =
    settings;
  const words = ['npx fp8lab simulate', `--hardware ${hardware}`, `--phase ${phase}`, `--nodes ${nodes}`];
  words.push(`--tokens ${tokensOf(settings)}`, `--context ${context}`);
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
