import { NOWHERE } from '../../kernels/indices.ts';
import { moeLayerStages } from '../../kernels/moe-layer/stages.ts';
import { moeLayerBackwardStages } from '../../kernels/moe-layer-backward/stages.ts';
import { type Stage, type Stages, stagesByReference } from '../../kernels/stages.ts';
import { fromBits } from '../../numerics/f32.ts';
import type {
  GateSpec,
  GroupedGemmSpec,
  MoeLayerBackwardSpec,
  MoeLayerSpec,
  SwigluBackwardSpec,
  UnpermuteSpec,
} from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { gateTracer } from './gate.ts';
import { groupedGemmTracer } from './grouped-gemm.ts';
import { unpermuteTracer } from './permute.ts';
import type { Derivation, Tracer } from './quantize.ts';
import { f32, type TraceSection } from './steps.ts';
import { swigluBackwardTracer } from './swiglu.ts';

/** The steps of a layer with their tensors, by name. */
function stagesOf(stages: Stages): ReadonlyMap<string, Stage & { readonly tensors: Tensors }> {
  const seen = new Map<string, Stage & { readonly tensors: Tensors }>();
  stagesByReference(stages, (stage, tensors) => seen.set(stage.name, { ...stage, tensors }));
  return seen;
}

/** A tracer made when it is first asked. */
function lazily(make: () => Tracer): Tracer {
  let tracer: Tracer | undefined;
  return (tensor, coordinates) => {
    tracer ??= make();
    return tracer(tensor, coordinates);
  };
}

/** Derives elements of a layer: which experts, which rows, the down product of each, and their sum. */
export function moeLayerTracer(spec: MoeLayerSpec, inputs: Tensors): Tracer {
  const stages = stagesOf(moeLayerStages(spec, inputs));
  const [gate, permute, down, unpermute] = ['gate', 'permute', 'down', 'unpermute'].map((name) => stages.get(name)!);
  const choice = lazily(() => gateTracer(gate!.spec as GateSpec, gate!.inputs));
  const product = lazily(() => groupedGemmTracer(down!.spec as GroupedGemmSpec, down!.inputs));
  const sum = lazily(() => unpermuteTracer(unpermute!.spec as UnpermuteSpec, unpermute!.inputs));
  return (tensor, coordinates) => {
    if (tensor !== 'y') return choice(tensor, coordinates);
    return summed(coordinates, permute!.tensors, product, sum, (slot) => {
      const weight = fromBits(gate!.tensors.topk_weights!.codes[slot]!);
      return `expert ${gate!.tensors.topk_idx!.codes[slot]}, weight ${weight}`;
    });
  };
}

/** A token's sum over its slots, each slot's row by the product it comes from. */
function summed(
  coordinates: readonly number[],
  moved: Tensors,
  product: Tracer,
  sum: Tracer,
  describe: (slot: number) => string,
): Derivation {
  const [token, column] = coordinates as [number, number];
  const { slot_to_row } = moved;
  const topk = slot_to_row!.shape[1]!;
  const sections: TraceSection[] = [];
  for (let slot = 0; slot < topk; slot++) {
    const row = slot_to_row!.codes[token * topk + slot]!;
    if (row === NOWHERE) continue;
    const title = `Slot ${slot}`;
    sections.push({ title, text: `${describe(token * topk + slot)}, row ${row}`, steps: [] });
    for (const section of product('d', [row, column]).sections) {
      sections.push({ ...section, title: `${title}: ${section.title}` });
    }
  }
  const { sections: last, result } = sum('x', [token, column]);
  return { sections: [...sections, ...last], result };
}

/** Derives elements of a layer's gradients by the step that gives them. */
export function moeLayerBackwardTracer(spec: MoeLayerBackwardSpec, inputs: Tensors): Tracer {
  const stages = stagesOf(moeLayerBackwardStages(spec, inputs));
  const product = (name: string): Tracer =>
    lazily(() => {
      const { spec, inputs } = stages.get(name)!;
      return groupedGemmTracer(spec as GroupedGemmSpec, inputs);
    });
  const unpermute = stages.get('unpermute')!;
  const activation = stages.get('activation, gradient')!;
  const moved = stages.get('permute')!.tensors;
  const rows = product('gate-up, data gradient');
  const sum = lazily(() => unpermuteTracer(unpermute.spec as UnpermuteSpec, unpermute.inputs));
  const weight = lazily(() => swigluBackwardTracer(activation.spec as SwigluBackwardSpec, activation.inputs));
  const weights: Record<string, Tracer> = {
    dw13: product('gate-up, weight gradient'),
    dw2: product('down, weight gradient'),
  };
  return (tensor, coordinates) => {
    if (tensor === 'dx') return summed(coordinates, moved, rows, sum, () => 'a data gradient');
    if (tensor !== 'dweights') return weights[tensor]!('d', coordinates);
    const [token, slot] = coordinates as [number, number];
    const row = moved.slot_to_row!.codes[token * moved.slot_to_row!.shape[1]! + slot]!;
    if (row !== NOWHERE) return weight('dweights', [row]);
    return { sections: [{ title: 'Slot', text: 'a slot without a row: +0', steps: [] }], result: f32('dweights', 0) };
  };
}
