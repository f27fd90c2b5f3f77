import { backwardTimes } from './backward.ts';
import { Builder, type LayerTimes } from './builder.ts';
import { addStream, createGraph, type Graph } from './engine.ts';
import { kernelTimes } from './kernels.ts';
import { commLatency, commSeconds, copyBytes, linkRates, planningTimes } from './links.ts';
import { orderOf } from './orders.ts';
import { modeOf, type Scenario, splits, type Workload } from './scenario.ts';
import type { LayerWork } from './wire.ts';

/** A step as a graph, with what is needed to judge it. */
export interface Program {
  readonly graph: Graph;
  /** [GPU]: streams of computing, and of the all-to-all. */
  readonly compute: readonly number[];
  readonly comm: readonly number[];
  /** SMs of the computing stream. */
  readonly computeSms: number;
  readonly micros: number;
  /** [GPU]: bytes that its card sends and receives in the step, and its NVLink, by direction of the all-to-all. */
  readonly bytes: WireBytes;
}

/** Bytes of every GPU's links over a whole step. */
export interface WireBytes {
  readonly ibSent: Float64Array;
  readonly ibReceived: Float64Array;
  readonly nvlinkSent: Float64Array;
  readonly nvlinkReceived: Float64Array;
}

/** The way back: what was received is sent. */
const reversed = (work: LayerWork): LayerWork => ({
  ...work,
  ibSent: work.ibReceived,
  ibReceived: work.ibSent,
  nvlinkSent: work.nvlinkReceived,
  nvlinkReceived: work.nvlinkSent,
});

/** Builds the graph of a step. */
export function buildProgram(scenario: Scenario, workload: Workload): Program {
  const { hardware, overlap, commSms } = scenario;
  const gpus = workload.cluster.gpus;
  // SMs are set aside for the all-to-all only where something computes beside it.
  const computeSms = overlap === 'two' && modeOf(scenario) === 'normal' ? hardware.sms - commSms : hardware.sms;
  const times = kernelTimes(hardware, scenario.model, computeSms);
  const backward = backwardTimes(hardware, scenario.model, computeSms);
  const rates = linkRates(scenario);
  const copies = copyBytes(scenario);
  const each = (work: LayerWork, seconds: (rows: number, experts: number) => number): Float64Array =>
    Float64Array.from(work.rows, (rows, gpu) => seconds(rows, work.activeExperts[gpu]!));
  const tokens = scenario.tokensPerGpu;
  const layers = workload.layers.map(
    (work): LayerTimes => ({
      routed: each(work, times.routedExperts),
      routedInputs: each(work, (rows, experts) => backward.expertsInputs(rows, experts, tokens)),
      routedWeights: each(work, (rows, experts) => backward.expertsWeights(rows, experts, tokens)),
      dispatch: commSeconds(work, copies.dispatch, rates),
      combine: commSeconds(reversed(work), copies.combine, rates),
    }),
  );
  const graph = createGraph();
  const indices = Array.from({ length: gpus }, (_, gpu) => gpu);
  const compute = indices.map((gpu) => addStream(graph, `GPU ${gpu} compute`));
  const comm = indices.map((gpu) => addStream(graph, `GPU ${gpu} all-to-all`));
  const planning = planningTimes(scenario, gpus);
  const latency = commLatency(scenario);
  orderOf(scenario)(
    new Builder({ graph, scenario, times, backward, layers, compute, comm, latency, ...(planning && { planning }) }),
  );
  return { graph, compute, comm, computeSms, micros: microsOf(scenario), bytes: stepBytes(scenario, workload) };
}

/** Passes through the layers in a step: micro-batches, or the two directions of training. */
const microsOf = (scenario: Scenario): number => (splits(scenario) || scenario.phase === 'training' ? 2 : 1);

function stepBytes(scenario: Scenario, { layers, cluster }: Workload): WireBytes {
  const { model } = scenario;
  const copies = copyBytes(scenario);
  const zeros = (): Float64Array => new Float64Array(cluster.gpus);
  const bytes = { ibSent: zeros(), ibReceived: zeros(), nvlinkSent: zeros(), nvlinkReceived: zeros() };
  const micros = microsOf(scenario);
  for (let layer = 0; layer < model.layers - model.denseLayers; layer++) {
    const work = layers[layer % layers.length]!;
    const back = reversed(work);
    for (const link of ['ibSent', 'ibReceived', 'nvlinkSent', 'nvlinkReceived'] as const) {
      for (let gpu = 0; gpu < cluster.gpus; gpu++) {
        bytes[link][gpu]! += micros * (work[link][gpu]! * copies.dispatch + back[link][gpu]! * copies.combine);
      }
    }
  }
  return bytes;
}
