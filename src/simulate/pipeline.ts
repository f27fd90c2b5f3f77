import { inputError } from '../errors.ts';
import { requireCount } from '../moe/loads.ts';
import { addStream, addTask, createGraph, type Graph, play, type Timeline } from './engine.ts';
import type { PipelineSchedule } from './names.ts';

/** Durations of a chunk, in any unit. */
export interface ChunkTimes {
  /** Forward. */
  readonly forward: number;
  /** The whole backward, for inputs and for weights. */
  readonly backward: number;
  /** The part of it that is for weights. */
  readonly weights: number;
  /** A forward and a backward that hide each other's communication, run as one. Default: their sum. */
  readonly overlapped?: number;
}

/** A pipeline to simulate. */
export interface Pipeline extends ChunkTimes {
  readonly schedule: PipelineSchedule;
  /** Stages of the model. Even where chunks come from both ends; DualPipeV puts two on a device. */
  readonly stages: number;
  /** Micro-batches of a step; with DualPipe half of them from each end. */
  readonly microBatches: number;
}

/** Idle time of a device over a step, by the formulas of the V3 report, table 2, and the DualPipe README. */
export function bubbleFormula({
  schedule,
  stages,
  forward,
  backward,
  weights,
  overlapped = forward + backward,
}: Pipeline): number {
  if (schedule === '1F1B') return (stages - 1) * (forward + backward);
  if (schedule === 'ZB1P') return (stages - 1) * (forward + backward - 2 * weights);
  return (stages / 2 - 1) * (overlapped + backward - 3 * weights);
}

/** Copies of parameters, activations in flight (in stages' worth) and devices, by the same tables. */
export function pipelineMemory({ schedule, stages }: Pick<Pipeline, 'schedule' | 'stages'>): {
  parameters: number;
  activations: number;
  devices: number;
} {
  const dual = schedule.startsWith('Dual');
  return {
    parameters: dual ? 2 : 1,
    activations: dual ? stages + 1 : stages,
    devices: schedule === 'DualPipeV' ? stages / 2 : stages,
  };
}

/** A simulated pipeline. */
export interface PipelineRun {
  readonly graph: Graph;
  readonly timeline: Timeline;
  /** [device]: time in which it does nothing. */
  readonly bubbles: readonly number[];
}

/** What a device does next. `way` is the direction of the chunk: 0 forward through the devices, 1 back. */
type Op =
  | { readonly do: 'F'; readonly way: 0 | 1 }
  | { readonly do: 'B' | 'Bi'; readonly way: 0 | 1 }
  | { readonly do: 'W' }
  | { readonly do: 'FB'; readonly way: 0 | 1 };

/** Simulates a step of a pipeline: each device in its schedule's order, each chunk after its neighbour's. */
export function simulatePipeline(pipeline: Pipeline): PipelineRun {
  checkPipeline(pipeline);
  const { devices } = pipelineMemory(pipeline);
  const orders = Array.from({ length: devices }, (_, device) => orderOf(pipeline, device));
  const graph = createGraph();
  for (let device = 0; device < devices; device++) addStream(graph, `device ${device}`);
  place(pipeline, orders, graph);
  const timeline = play(graph);
  const busy = new Float64Array(devices);
  graph.stream.forEach((device, task) => {
    busy[device]! += graph.duration[task]!;
  });
  return { graph, timeline, bubbles: Array.from(busy, (time) => timeline.makespan - time) };
}

function checkPipeline({ schedule, stages, microBatches, forward, backward, weights, overlapped = 1 }: Pipeline): void {
  requireCount(stages, 'stages', 2);
  requireCount(microBatches, 'microBatches');
  for (const [name, time] of Object.entries({ forward, backward, weights, overlapped })) {
    if (!(time > 0) || time === Number.POSITIVE_INFINITY) {
      throw inputError(`${name} takes ${time}`, 'bad-duration', name, 'give a time above 0');
    }
  }
  if (weights >= backward) {
    const problem = `the backward for weights takes ${weights} of a backward of ${backward}`;
    throw inputError(problem, 'bad-duration', 'weights', 'give a part of the backward');
  }
  const dual = schedule.startsWith('Dual');
  if (dual && (stages % 2 !== 0 || microBatches % 2 !== 0)) {
    const problem = `${schedule} has ${stages} stages and ${microBatches} micro-batches`;
    throw inputError(problem, 'not-divisible', 'stages', 'both must be even');
  }
  const least = schedule === 'DualPipe' ? 2 * stages : stages;
  if (microBatches < least) {
    const problem = `${microBatches} micro-batches do not fill ${stages} stages of ${schedule}`;
    throw inputError(problem, 'too-few-micro-batches', 'microBatches', `give at least ${least}`);
  }
}

const times = (count: number, ...ops: Op[]): Op[] => Array.from({ length: count }, () => ops).flat();
const F = (way: 0 | 1): Op => ({ do: 'F', way });
const B = (way: 0 | 1): Op => ({ do: 'B', way });
const Bi = (way: 0 | 1): Op => ({ do: 'Bi', way });
const W: Op = { do: 'W' };
const FB = (way: 0 | 1): Op => ({ do: 'FB', way });

function orderOf({ schedule, stages, microBatches }: Pipeline, device: number): Op[] {
  const warm = stages - device - 1;
  if (schedule === '1F1B')
    return [...times(warm, F(0)), ...times(microBatches - warm, F(0), B(0)), ...times(warm, B(0))];
  if (schedule === 'ZB1P') return zeroBubble(stages, microBatches, device);
  const half = stages / 2;
  // Devices of the second half see the chunks of the other end first: the schedule is its own mirror image.
  const rank = schedule === 'DualPipe' ? Math.min(device, stages - 1 - device) : device;
  const chunks = schedule === 'DualPipe' ? microBatches / 2 : microBatches;
  return bidirectional(half, rank, chunks);
}

/** Weights are done as late as their device was early, so that they fill the gaps at the end (Qi et al., zero-bubble H1). */
function zeroBubble(stages: number, microBatches: number, device: number): Op[] {
  const warm = stages - device - 1;
  const order = times(warm, F(0));
  let done = 0;
  for (let chunk = 0; chunk < microBatches; chunk++) {
    if (chunk < microBatches - warm) order.push(F(0));
    order.push(Bi(0));
    if (chunk < device) continue;
    order.push(W);
    done++;
  }
  return [...order, ...times(microBatches - done, W)];
}

/** The eight steps of DualPipe for the device that is `rank`-th from its end, of `half` to the middle. */
function bidirectional(half: number, rank: number, chunks: number): Op[] {
  const toMiddle = half - rank - 1;
  const order = [...times(2 * toMiddle, F(0)), ...times(rank + 1, F(0), F(1)), ...times(toMiddle, Bi(1), W, F(1))];
  for (let turn = 0; turn < chunks - 2 * half + rank + 1; turn++) {
    // In the middle the first pair is not overlapped, so that the next device need not wait for both.
    order.push(...(turn === 0 && toMiddle === 0 ? [F(0), B(1)] : [FB(0)]), FB(1));
  }
  order.push(...times(toMiddle, B(1), FB(1)));
  for (let turn = 0; turn <= rank; turn++) {
    const middle = (rank + 1) >> 1;
    const late = (way: 0 | 1): boolean => turn > middle || (turn === middle && (way === 0 || rank % 2 === 1));
    order.push(late(1) ? Bi(1) : B(1), late(0) ? Bi(0) : B(0));
  }
  return [...order, ...times(toMiddle, W, Bi(0)), ...times(rank + 1, W)];
}

/** Adds the tasks of all devices; a chunk waits for its neighbour's. */
function place(pipeline: Pipeline, orders: readonly Op[][], graph: Graph): void {
  const chain = chainOf(pipeline, orders.length);
  const forwards = new Map<string, number>();
  const backwards = new Map<string, number>();
  const next = orders.map(() => 0);
  const seen = orders.map(() => ({ F: [0, 0], B: [0, 0] }));
  const key = (stage: number, chunk: number, end: number): string => `${end} ${stage} ${chunk}`;

  /** The task that a forward or a backward waits for: undefined for none, null where it has not been added yet. */
  const wait = (device: number, back: boolean, way: 0 | 1): number | null | undefined => {
    const { stage, end } = chain.stageOf(device, way);
    const chunk = seen[device]![back ? 'B' : 'F'][way]!;
    if (!back) return stage === 0 ? undefined : (forwards.get(key(stage - 1, chunk, end)) ?? null);
    if (stage === chain.stages - 1) return forwards.get(key(stage, chunk, end)) ?? null;
    return backwards.get(key(stage + 1, chunk, end)) ?? null;
  };
  const finish = (device: number, back: boolean, way: 0 | 1, task: number): void => {
    const { stage, end } = chain.stageOf(device, way);
    (back ? backwards : forwards).set(key(stage, seen[device]![back ? 'B' : 'F'][way]!++, end), task);
  };

  const tryNext = (device: number): boolean => {
    const op = orders[device]![next[device]!];
    if (op === undefined) return false;
    const runs = op.do === 'F' || op.do === 'FB';
    const returns = op.do === 'B' || op.do === 'Bi' || op.do === 'FB';
    const way = op.do === 'W' ? 0 : op.way;
    const backWay = op.do === 'FB' ? ((1 - way) as 0 | 1) : way;
    const after = [runs ? wait(device, false, way) : undefined, returns ? wait(device, true, backWay) : undefined];
    if (after.includes(null)) return false;
    const task = addTask(graph, {
      kind: kinds[op.do],
      stream: device,
      duration: durationOf(pipeline, op),
      after: after as (number | undefined)[],
    });
    if (runs) finish(device, false, way, task);
    if (returns) finish(device, true, backWay, task);
    next[device]!++;
    return true;
  };
  for (let moved = true; moved; ) {
    moved = false;
    for (let device = 0; device < orders.length; device++) while (tryNext(device)) moved = true;
  }
}

const kinds = {
  F: 'forward',
  B: 'backward',
  Bi: 'backward for inputs',
  W: 'backward for weights',
  FB: 'forward and backward',
} as const;

function durationOf({ forward, backward, weights, overlapped = forward + backward }: Pipeline, op: Op): number {
  return { F: forward, B: backward, Bi: backward - weights, W: weights, FB: overlapped }[op.do];
}

/** Which stage of which chain of stages a device is for a way. */
function chainOf(
  { schedule, stages }: Pipeline,
  devices: number,
): { stages: number; stageOf(device: number, way: 0 | 1): { stage: number; end: number } } {
  if (schedule === 'DualPipe') {
    return {
      stages,
      stageOf: (device, way) => {
        const end = device < devices / 2 ? way : 1 - way;
        return { stage: end === 0 ? device : devices - 1 - device, end };
      },
    };
  }
  if (schedule === 'DualPipeV') {
    return { stages, stageOf: (device, way) => ({ stage: way === 0 ? device : stages - 1 - device, end: 0 }) };
  }
  return { stages, stageOf: (device) => ({ stage: device, end: 0 }) };
}
