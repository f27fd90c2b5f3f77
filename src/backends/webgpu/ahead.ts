import { kernelOf } from '../../kernels/index.ts';
import { isGenerated } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import { familiesOf } from '../../kernels/variants.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { dtypeBits, elementCount, type Tensors } from '../../tensors/tensor.ts';
import type { AheadThread } from './ahead-thread.ts';
import type { OwnedGpu } from './device.ts';
import type { DeviceTraits } from './dry-run.ts';

/** How a runtime makes ready for runs to come. */
export interface AheadHost {
  /** Starts a thread. */
  start(): AheadThread;
  /** Whether it compiles pipelines beside the thread that asks for them; where not, nothing is gained by asking early. */
  readonly compiles: boolean;
}

/** Bytes of inputs that are kept for runs to come. */
const keptBytes = 128 * 2 ** 20;

interface Kept {
  readonly bytes: number;
  readonly inputs: Promise<Tensors | undefined>;
}

/**
 * Makes ready for runs to come while one is on: a thread beside the runner makes their inputs and goes through their kernels dry, and the
 * pipelines that they will dispatch are compiled in the background. Whatever fails here is left to the run itself, which meets it again.
 */
export class Ahead {
  readonly #host: AheadHost;
  readonly #kept = new Map<string, Kept>();
  #thread: AheadThread | undefined;

  constructor(host: AheadHost) {
    this.#host = host;
  }

  /** The inputs that were made for a spec's next run, once; undefined where there are none. */
  async take(spec: ResolvedSpec): Promise<Tensors | undefined> {
    const key = JSON.stringify(spec);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    return kept?.inputs;
  }

  /** Makes ready for the runs that come next, in their order, on the device of `gpu`; lets go what was made for others. */
  prepare(next: readonly ResolvedSpec[], tier: Tier, gpu: OwnedGpu): void {
    const wanted = new Map(next.map((spec) => [JSON.stringify(spec), spec]));
    for (const key of this.#kept.keys()) if (!wanted.has(key)) this.#kept.delete(key);
    let room = keptBytes - [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [key, spec] of wanted) {
      const bytes = generatedBytes(spec);
      if (this.#kept.has(key) || bytes === undefined) continue;
      room -= bytes;
      if (room < 0) return;
      this.#kept.set(key, { bytes, inputs: this.#ask(spec, tier, gpu) });
    }
  }

  async #ask(spec: ResolvedSpec, tier: Tier, gpu: OwnedGpu): Promise<Tensors | undefined> {
    try {
      this.#thread ??= this.#host.start();
      const prepared = await this.#thread.prepare({ spec, tier, device: this.#traits(spec, tier, gpu) });
      gpu.prepare(prepared?.dispatches ?? []);
      return prepared?.inputs;
    } catch {
      return undefined;
    }
  }

  /** What a dry run must know of the device; undefined where its dispatches would be of no use. */
  #traits(spec: ResolvedSpec, tier: Tier, { limits, device, variants }: OwnedGpu): DeviceTraits | undefined {
    // Before the trial of a family nobody knows which shaders a run will take.
    const known = tier === 'exact' || familiesOf(kernelOf(spec)).every(({ name }) => variants[name] !== undefined);
    return this.#host.compiles && known ? { limits, features: [...device.features], variants } : undefined;
  }
}

/** Bytes of a spec's inputs; undefined where some come from a file. */
function generatedBytes(spec: ResolvedSpec): number | undefined {
  const declared = kernelOf(spec).inputs(spec as never);
  if (!declared.every(({ input }) => isGenerated(input))) return undefined;
  return declared.reduce((sum, { dtype, shape }) => sum + Math.ceil(dtypeBits[dtype] / 8) * elementCount(shape), 0);
}
