import { addStream, addTask, createGraph, type Graph, type NewTask } from './engine.ts';
import { type KernelTimes, kernelTimes } from './kernels.ts';
import { modeOf, type Scenario, type Workload } from './scenario.ts';
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

/** Bytes of a token copy: FP8 with a scale for each 128 channels to the experts, BF16 back; a header where each row is a message of its own. */
export function copyBytes(scenario: Scenario): { dispatch: number; combine: number } {
  const { hidden } = scenario.model;
  const header = modeOf(scenario) === 'low-latency' ? 16 : 0;
  return { dispatch: header + hidden + (4 * hidden) / 128, combine: header + 2 * hidden };
}

/** Rates that the links reach in a scenario, bytes a second. */
export function linkRates({ hardware, phase, commSms }: Scenario): { ib: number; nvlink: number } {
  const { efficiency, ibGBs, nvlinkGBs } = hardware;
  // Low-latency messages are moved by the card and by copies that SMs only start.
  const driven = phase === 'decode' ? 1 : Math.min(1, commSms / efficiency.smsForFullLinks.value);
  return {
    ib: ibGBs.value * 1e9 * efficiency.ib.value * driven,
    nvlink: nvlinkGBs.value * 1e9 * efficiency.nvlink.value * driven,
  };
}

/** Seconds beyond its bytes that an all-to-all takes. */
export function commLatency({ hardware, phase, launch }: Scenario): number {
  const { normalUs, ibgdaUs, proxyUs } = hardware.latency;
  const figure = phase === 'prefill' ? normalUs : launch === 'ibgda' ? ibgdaUs : proxyUs;
  return figure.value * 1e-6;
}

/** [GPU]: seconds of an all-to-all by the busiest of its ports, and of what it sends. */
export function commSeconds(
  work: LayerWork,
  bytes: number,
  rates: { ib: number; nvlink: number },
): { own: Float64Array; sends: Float64Array } {
  const gpus = work.rows.length;
  const own = new Float64Array(gpus);
  const sends = new Float64Array(gpus);
  for (let gpu = 0; gpu < gpus; gpu++) {
    const ib = bytes / rates.ib;
    const nvlink = bytes / rates.nvlink;
    own[gpu] = Math.max(
      work.ibSent[gpu]! * ib,
      work.ibReceived[gpu]! * ib,
      work.nvlinkSent[gpu]! * nvlink,
      work.nvlinkReceived[gpu]! * nvlink,
    );
    sends[gpu] = Math.max(work.ibSent[gpu]! * ib, work.nvlinkSent[gpu]! * nvlink);
  }
  return { own, sends };
}

/** The way back: what was received is sent. */
const reversed = (work: LayerWork): LayerWork => ({
  ...work,
  ibSent: work.ibReceived,
  ibReceived: work.ibSent,
  nvlinkSent: work.nvlinkReceived,
  nvlinkReceived: work.nvlinkSent,
});

interface LayerTimes {
  readonly routed: Float64Array;
  readonly dispatch: { own: Float64Array; sends: Float64Array };
  readonly combine: { own: Float64Array; sends: Float64Array };
}

/** Builds the graph of a step. */
export function buildProgram(scenario: Scenario, workload: Workload): Program {
  const { hardware, overlap, phase, commSms } = scenario;
  const gpus = workload.cluster.gpus;
  // SMs are set aside for the all-to-all only where something computes beside it.
  const computeSms = overlap === 'two' && phase === 'prefill' ? hardware.sms - commSms : hardware.sms;
  const times = kernelTimes(hardware, scenario.model, computeSms);
  const rates = linkRates(scenario);
  const copies = copyBytes(scenario);
  const layers = workload.layers.map(
    (work): LayerTimes => ({
      routed: Float64Array.from(work.rows, (rows, gpu) => times.routedExperts(rows, work.activeExperts[gpu]!)),
      dispatch: commSeconds(work, copies.dispatch, rates),
      combine: commSeconds(reversed(work), copies.combine, rates),
    }),
  );
  const graph = createGraph();
  const indices = Array.from({ length: gpus }, (_, gpu) => gpu);
  const compute = indices.map((gpu) => addStream(graph, `GPU ${gpu} compute`));
  const comm = indices.map((gpu) => addStream(graph, `GPU ${gpu} all-to-all`));
  const builder = new Builder(graph, scenario, times, layers, compute, comm);
  builder.step();
  return { graph, compute, comm, computeSms, micros: overlap === 'two' ? 2 : 1, bytes: stepBytes(scenario, workload) };
}

function stepBytes(scenario: Scenario, { layers, cluster }: Workload): WireBytes {
  const { model, overlap } = scenario;
  const copies = copyBytes(scenario);
  const zeros = (): Float64Array => new Float64Array(cluster.gpus);
  const bytes = { ibSent: zeros(), ibReceived: zeros(), nvlinkSent: zeros(), nvlinkReceived: zeros() };
  const micros = overlap === 'two' ? 2 : 1;
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

/** One task of every GPU. */
type Row = readonly number[];

class Builder {
  private micro = 0;

  constructor(
    private readonly graph: Graph,
    private readonly scenario: Scenario,
    private readonly times: KernelTimes,
    private readonly layers: readonly LayerTimes[],
    private readonly compute: readonly number[],
    private readonly comm: readonly number[],
  ) {}

  /** All layers, in the order of the phase and its overlap. */
  step(): void {
    const { overlap, phase } = this.scenario;
    if (overlap === 'none') this.sequential();
    else if (phase === 'prefill') this.overlappedPrefill();
    else this.overlappedDecode();
  }

  /** What is added next belongs to this micro-batch. */
  private of(micro: 0 | 1): this {
    this.micro = micro;
    return this;
  }

  /** Adds a task of the micro-batch at hand. */
  private add(task: NewTask): number {
    return addTask(this.graph, { ...task, micro: this.micro });
  }

  private get tokens(): number {
    const { tokensPerGpu, overlap } = this.scenario;
    return tokensPerGpu / (overlap === 'two' ? 2 : 1);
  }

  private get denseLayers(): number {
    return Math.min(this.scenario.model.denseLayers, this.scenario.model.layers);
  }

  private get moeLayers(): number {
    return this.scenario.model.layers - this.denseLayers;
  }

  /** The same work on every GPU. */
  private each(kind: string, seconds: number, after?: Row): Row {
    return this.compute.map((stream, gpu) => this.add({ kind, stream, duration: seconds, after: [after?.[gpu]] }));
  }

  private attention(after?: Row): Row {
    const { phase, context } = this.scenario;
    if (phase === 'prefill') return this.each('attention', this.times.prefillAttention(this.tokens, context), after);
    return this.each('attention', this.times.decodeCore(this.tokens, context), this.projections(after));
  }

  private projections(after?: Row): Row {
    return this.each('projections', this.times.decodeProjections(this.tokens), after);
  }

  private shared(after?: Row): Row {
    return this.each('shared experts', this.times.sharedExperts(this.tokens), after);
  }

  private experts(layer: number, after: Row): Row {
    const { routed } = this.layers[layer % this.layers.length]!;
    return this.compute.map((stream, gpu) =>
      this.add({ kind: 'experts', stream, duration: routed[gpu]!, after: [after[gpu]] }),
    );
  }

  private dispatch(layer: number, after: Row): Row {
    return this.allToAll(
      'dispatch',
      this.layers[layer % this.layers.length]!.dispatch,
      after,
      this.scenario.planSeconds,
    );
  }

  private combine(layer: number, after: Row): Row {
    return this.allToAll('combine', this.layers[layer % this.layers.length]!.combine, after, 0);
  }

  /**
   * An all-to-all: on each GPU it starts when the GPU's results are there, and ends when its busiest port is through and every other GPU has sent its part.
   * With thousands of rows every GPU has some for every other.
   */
  private allToAll(kind: string, { own, sends }: LayerTimes['dispatch'], after: Row, plan: number): Row {
    const latency = commLatency(this.scenario);
    const begin = this.comm.map((stream, gpu) =>
      this.add({ kind: plan > 0 ? 'planning' : kind, stream, duration: plan, after: [after[gpu]] }),
    );
    const sent = begin.map((start, gpu) => this.add({ kind, duration: sends[gpu]!, after: [start] }));
    const all = this.add({ kind: `${kind}: waiting for others`, duration: 0, after: sent });
    return this.comm.map((stream, gpu) =>
      this.add({
        kind,
        stream,
        duration: own[gpu]! + latency,
        after: [begin[gpu]],
        endAfter: [all],
        tail: latency,
      }),
    );
  }

  private dense(after?: Row): Row {
    let done = after;
    for (let layer = 0; layer < this.denseLayers; layer++) {
      done = this.each('dense MLP', this.times.denseMlp(this.tokens), this.attention(done));
    }
    return done ?? [];
  }

  private finish(after: Row): void {
    if (this.scenario.phase === 'decode') this.each('head', this.times.head(this.tokens), after);
  }

  private sequential(): void {
    let done = this.dense();
    for (let layer = 0; layer < this.moeLayers; layer++) {
      const attended = this.attention(done);
      // The shared experts need no all-to-all and hide some of the dispatch even so.
      const arrived = this.dispatch(layer, attended);
      this.shared(attended);
      done = this.combine(layer, this.experts(layer, arrived));
    }
    this.finish(done);
  }

  /** DeepSeek's prefill: attention and experts of one micro-batch beside dispatch and combine of the other (profile-data, prefill). */
  private overlappedPrefill(): void {
    let zero = this.of(0).dense();
    let one = this.of(1).dense();
    let rest: Row | undefined;
    for (let layer = 0; layer < this.moeLayers; layer++) {
      const attendedOne = this.of(1).attention(one);
      const arrivedOne = this.dispatch(layer, attendedOne);
      if (rest !== undefined) this.of(0).shared(rest);
      const attendedZero = this.of(0).attention(zero);
      const arrivedZero = this.dispatch(layer, attendedZero);
      one = this.of(1).combine(layer, this.experts(layer, arrivedOne));
      zero = this.of(0).combine(layer, this.experts(layer, arrivedZero));
      this.of(1).shared(attendedOne);
      rest = attendedZero;
    }
    if (rest !== undefined) this.of(0).shared(rest);
    this.finish(zero);
    this.of(1).finish(one);
  }

  /** DeepSeek's decode: attention in two parts, so that each all-to-all of one micro-batch has about as much of the other beside it (profile-data, decode). */
  private overlappedDecode(): void {
    const { context } = this.scenario;
    const core = (after: Row): Row => this.each('attention', this.times.decodeCore(this.tokens, context), after);
    let zero = this.of(0).dense();
    let one = this.of(1).dense();
    let attendedZero = core(this.of(0).projections(zero));
    let arrivedZero = this.dispatch(0, attendedZero);
    for (let layer = 0; layer < this.moeLayers; layer++) {
      this.of(0).shared(attendedZero);
      const projectedOne = this.of(1).projections(one);
      zero = this.of(0).combine(layer, this.experts(layer, arrivedZero));
      this.of(1);
      const attendedOne = core(projectedOne);
      const arrivedOne = this.dispatch(layer, attendedOne);
      this.shared(attendedOne);
      const last = layer === this.moeLayers - 1;
      const projectedZero = last ? undefined : this.of(0).projections(zero);
      one = this.of(1).combine(layer, this.experts(layer, arrivedOne));
      if (projectedZero === undefined) continue;
      this.of(0);
      attendedZero = core(projectedZero);
      arrivedZero = this.dispatch(layer + 1, attendedZero);
    }
    this.of(0).finish(zero);
    this.of(1).finish(one);
  }
}
