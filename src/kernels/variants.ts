import type { Gpu } from '../backends/webgpu/gpu.ts';

/** One of several shaders that compute the same. */
export interface Variant {
  readonly name: string;
}

/** The variant to take of each family, where it fits: what a trial on the adapter found, or somebody asked for. */
export type VariantChoices = Readonly<Record<string, string>>;

/** The chosen variant of a family if it is among those that fit a spec, else the first of them. */
export function chooseVariant<V extends Variant>(gpu: Gpu, family: string, fitting: readonly [V, ...V[]]): V {
  return fitting.find(({ name }) => name === gpu.variants[family]) ?? fitting[0];
}
