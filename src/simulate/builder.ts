import type { BackwardTimes } from './backward.ts';
import { addTask, type Graph, type NewTask } from './engine.ts';
import type { KernelTimes } from './kernels.ts';
import type { CommTimes, PlanningTimes } from './links.ts';
import { type Scenario, splits } from './scenario.ts';

/** One task of every GPU. */
export type Row = readonly number[];

/** What a layer's routing decides, seconds on each GPU. */
export interface LayerTimes {
  readonly routed: Float64Array;
  /** Backward of routed and shared experts. */
  readonly routedInputs: Float64Array;
  readonly routedWeights: Float64Array;
  readonly dispatch: CommTimes;
  readonly combine: CommTimes;
}

/** What a builder works with. */
export interface BuilderParts {
  readonly graph: Graph;
  readonly scenario: Scenario;
  readonly times: KernelTimes;
  readonly backward: BackwardTimes;
  readonly layers: readonly LayerTimes[];
  /** [GPU]: streams. */
  readonly compute: readonly number[];
  readonly comm: readonly number[];
  /** Seconds of an all-to-all beyond its bytes. */
  readonly latency: number;
  readonly planning?: PlanningTimes;
}

/** Adds the parts of layers to a graph, a task on every GPU at a time. */
export class Builder {
  private micro = 0;
  private readonly parts: BuilderParts;

  constructor(parts: BuilderParts) {
    this.parts = parts;
  }

  /** What is added next belongs to this micro-batch; in training 0 goes forward and 1 backward. */
  of(micro: 0 | 1): this {
    this.micro = micro;
    return this;
  }

  /** Tokens a GPU has of a micro-batch. */
  get tokens(): number {
    const { scenario } = this.parts;
    return scenario.tokensPerGpu / (splits(scenario) ? 2 : 1);
  }

  get denseLayers(): number {
    const { model } = this.parts.scenario;
    return Math.min(model.denseLayers, model.layers);
  }

  get moeLayers(): number {
    return this.parts.scenario.model.layers - this.denseLayers;
  }

  /** Adds a task of the micro-batch at hand. */
  private add(task: NewTask): number {
    return addTask(this.parts.graph, task, this.micro);
  }

  /** Work of every GPU: the same, or its own. */
  private each(kind: string, seconds: number | Float64Array, after?: Row): Row {
    const own = (gpu: number): number => (typeof seconds === 'number' ? seconds : seconds[gpu]!);
    return this.parts.compute.map((stream, gpu) =>
      this.add({ kind, stream, duration: own(gpu), after: [after?.[gpu]] }),
    );
  }

  private layer(index: number): LayerTimes {
    const { layers } = this.parts;
    return layers[index % layers.length]!;
  }

  /** Attention with projections and gate; in decode in two parts. */
  attention(after?: Row): Row {
    const { times, scenario } = this.parts;
    const { phase, context, cached } = scenario;
    if (phase === 'decode') return this.core(this.projections(after));
    return this.each('attention', times.prefillAttention(this.tokens, context, cached), after);
  }

  /** Of decode: latent projections, and what follows them. */
  projections(after?: Row): Row {
    return this.each('projections', this.parts.times.decodeProjections(this.tokens), after);
  }

  core(after: Row): Row {
    return this.each('attention', this.parts.times.decodeCore(this.tokens, this.parts.scenario.context), after);
  }

  shared(after?: Row): Row {
    return this.each('shared experts', this.parts.times.sharedExperts(this.tokens), after);
  }

  experts(layer: number, after: Row): Row {
    return this.each('experts', this.layer(layer).routed, after);
  }

  attentionInputs(after?: Row): Row {
    const { backward, scenario } = this.parts;
    return this.each('attention back', backward.attentionInputs(this.tokens, scenario.context), after);
  }

  attentionWeights(after?: Row): Row {
    return this.each('attention weights', this.parts.backward.attentionWeights(this.tokens), after);
  }

  expertsInputs(layer: number, after: Row): Row {
    return this.each('experts back', this.layer(layer).routedInputs, after);
  }

  expertsWeights(layer: number, after: Row): Row {
    return this.each('experts weights', this.layer(layer).routedWeights, after);
  }

  dispatch(layer: number, after?: Row): Row {
    return this.allToAll('dispatch', this.layer(layer).dispatch, this.plan(after));
  }

  combine(layer: number, after: Row): Row {
    return this.allToAll('combine', this.layer(layer).combine, after);
  }

  /** Dynamic redundancy: counts of all GPUs first, then the optimum of all on each. */
  private plan(after?: Row): Row | undefined {
    const { planning, comm } = this.parts;
    if (planning === undefined) return after;
    const counted = comm.map((stream, gpu) =>
      this.add({ kind: 'planning', stream, duration: planning.gather, after: [after?.[gpu]] }),
    );
    const all = this.add({ kind: 'planning: waiting for counts', duration: 0, after: counted });
    return comm.map((stream) => this.add({ kind: 'planning', stream, duration: planning.optimum, after: [all] }));
  }

  /**
   * An all-to-all: on each GPU it starts when the GPU's results are there, and ends when its busiest port is through and every other GPU has sent its part.
   * With thousands of rows every GPU has some for every other.
   */
  private allToAll(kind: string, { own, sends }: CommTimes, after?: Row): Row {
    const { comm, latency } = this.parts;
    const begin = comm.map((stream, gpu) => this.add({ kind, stream, duration: 0, after: [after?.[gpu]] }));
    const sent = begin.map((start, gpu) => this.add({ kind, duration: sends[gpu]!, after: [start] }));
    const all = this.add({ kind: `${kind}: waiting for others`, duration: 0, after: sent });
    return comm.map((stream, gpu) =>
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

  dense(after?: Row): Row | undefined {
    let done = after;
    for (let layer = 0; layer < this.denseLayers; layer++) {
      done = this.each('dense MLP', this.parts.times.denseMlp(this.tokens), this.attention(done));
    }
    return done;
  }

  /** The output head; prompts need it for their last tokens alone. */
  finish(after?: Row): void {
    const { scenario, times } = this.parts;
    if (scenario.phase === 'decode') this.each('head', times.head(this.tokens), after);
  }
}
