import type { Gpu } from '../backends/webgpu/gpu.ts';

/** One of several shaders that compute the same. */
export interface Variant {
  readonly name: string;
  /** Features that it takes of an adapter: `subgroups`, `shader-f16`. */
  readonly needs?: readonly string[];
}

/** Fields of a spec, to be resolved. */
export type SpecFields = Readonly<Record<string, unknown>>;

/** Shaders of the fast tier that compute the same, and what a trial holds them against each other on. */
export interface Family {
  readonly name: string;
  /** The first runs on every adapter, and is taken where no trial was made. */
  readonly variants: readonly [Variant, ...Variant[]];
  /** Small, held against the reference. */
  readonly verified: readonly SpecFields[];
  /** Timed, all together: large enough to tell the variants apart, small enough for a slow adapter. */
  readonly timed: readonly SpecFields[];
}

/** The variant to take of each family, where it fits: what a trial on the adapter found, or somebody asked for. */
export type VariantChoices = Readonly<Record<string, string>>;

/** Features that a variant needs and an adapter lacks. */
export function lackedBy(gpu: Pick<Gpu, 'has'>, { needs = [] }: Variant): readonly string[] {
  return needs.filter((feature) => !gpu.has(feature));
}

/** The chosen variant of a family if it is among those that fit a spec and run on the adapter, else the first of these. `gpu.taken` notes it. */
export function chooseVariant<V extends Variant>(gpu: Gpu, family: Family, fitting: readonly [V, ...V[]]): V {
  const able = fitting.filter((variant) => lackedBy(gpu, variant).length === 0);
  const variant = able.find(({ name }) => name === gpu.variants[family.name]) ?? able[0] ?? fitting[0];
  gpu.taken.add(`${family.name}=${variant.name}`);
  return variant;
}

/** The families of kernels that make up another, each once. */
export function familiesOf(...kernels: readonly { readonly families?: readonly Family[] }[]): readonly Family[] {
  return [...new Set(kernels.flatMap(({ families = [] }) => families))];
}
