import type { PipelineSchedule } from './names.ts';
import { type Pipeline, type PipelineRun, pipelineMemory, simulatePipeline } from './pipeline.ts';
import { prepare, type Scenario, type Workload } from './scenario.ts';
import { type Simulation, simulate } from './simulate.ts';

/** How a training step is spread over the stages of a pipeline. */
export interface TrainingPlan {
  readonly schedule: PipelineSchedule;
  readonly stages: number;
  /** Micro-batches of a step in each pipeline. */
  readonly microBatches: number;
}

/** A training step: what a stage's chunks take, and the pipeline that they make. */
export interface TrainingRun {
  /** A forward and a backward of a stage, as the scenario has it. */
  readonly pair: Simulation;
  /** Seconds of the chunks, for the pipeline. */
  readonly pipeline: Pipeline;
  readonly run: PipelineRun;
  /** Seconds of the step, and the share of it in which a device waits: the mean over devices. */
  readonly seconds: number;
  readonly bubble: number;
  /** Tokens a second of each GPU of the whole pipeline. */
  readonly tokensPerSecondPerGpu: number;
}

/**
 * Simulates a training step: the chunks of one stage on its GPUs, expert parallel over the scenario's nodes, then the pipeline of all stages. Chunks that do not
 * overlap run on all SMs; a stage's layers are the model's. The optimizer, gradients among data-parallel ranks, embedding and head are left out.
 */
export function simulateTraining(
  scenario: Scenario,
  plan: TrainingPlan,
  workload: Workload = prepare(scenario),
): TrainingRun {
  const pair = simulate(scenario, workload);
  const pipeline = { ...plan, ...chunkTimes(scenario, workload, pair) };
  const run = simulatePipeline(pipeline);
  const { makespan } = run.timeline;
  const { devices } = pipelineMemory(plan);
  const mean = run.bubbles.reduce((sum, idle) => sum + idle, 0) / devices;
  return {
    pair,
    pipeline,
    run,
    seconds: makespan,
    bubble: mean / makespan,
    tokensPerSecondPerGpu: (plan.microBatches * scenario.tokensPerGpu) / (makespan * devices),
  };
}

/** Seconds of a forward, a backward, its part for weights, and an overlapped pair. */
function chunkTimes(
  scenario: Scenario,
  workload: Workload,
  pair: Simulation,
): Pick<Pipeline, 'forward' | 'backward' | 'weights' | 'overlapped'> {
  const apart = scenario.overlap === 'none' ? pair : simulate({ ...scenario, overlap: 'none' }, workload);
  const { graph, timeline } = apart;
  let [forward, weights] = [0, 0];
  graph.micro.forEach((direction, task) => {
    if (direction === 0) forward = Math.max(forward, timeline.end[task]!);
  });
  const [first] = apart.program.compute;
  graph.kind.forEach((kind, task) => {
    if (graph.stream[task] === first && kind.endsWith(' weights')) weights += graph.duration[task]!;
  });
  const backward = timeline.makespan - forward;
  return {
    forward,
    backward,
    weights,
    overlapped: scenario.overlap === 'two' ? pair.timeline.makespan : forward + backward,
  };
}
