import type { Backend, BackendName } from '../../backends/backend.ts';
import { Fp8labError } from '../../errors.ts';
import { fp8Precision, type ScaledProduct } from './fp8.ts';
import { type EngineName, type TrainingCase, usage } from './options.ts';
import { type Precision, plainPrecision } from './precision.ts';
import { backendProduct, hostProduct } from './products.ts';
import { deepseekV3, type Recipe } from './recipe.ts';

/** Gives a backend by its name; absent where there is none to start, as in a page. */
export type Backends = (name: BackendName) => Backend;

/** How a run computes, and how it is told in rows and states. */
export interface Computation {
  readonly precision: Precision;
  /** `f32 in this process`, `native:host, hopper-wgmma-fp8`. */
  readonly engine: string;
  /** What decides the run's bits beside its settings. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** The precision of a case on an engine. */
export async function computationOf(
  { precision, ablations }: TrainingCase,
  engine: EngineName,
  backends: Backends | undefined,
): Promise<Computation> {
  if (precision !== 'fp8') {
    return { precision: plainPrecision(precision), engine: 'wasm, f32 sums', identity: { precision } };
  }
  const recipe = deepseekV3(ablations);
  const { product, said } = await productOf(recipe, engine, backends);
  return { precision: fp8Precision(recipe, product), engine: said, identity: { precision, ablations, engine: said } };
}

interface NamedProduct {
  readonly product: ScaledProduct;
  readonly said: string;
}

async function productOf(recipe: Recipe, engine: EngineName, backends: Backends | undefined): Promise<NamedProduct> {
  const chosen = engine === 'auto' ? await nativeOrWasm(backends) : engine;
  const { model, promoteEvery } = recipe.arithmetic;
  if (chosen === 'wasm') {
    requirePromotion(recipe, chosen);
    return { product: hostProduct(), said: 'wasm, f32 sums' };
  }
  if (backends === undefined) throw usage(`there is no ${chosen} here`, '--engine', 'use the engine wasm');
  const backend = backends(chosen);
  await backend.identify();
  if (chosen.startsWith('native:')) {
    const promoted = promoteEvery === 0 ? 'never promoted' : `promoted every ${promoteEvery}`;
    return {
      product: backendProduct(backend, recipe.arithmetic, 'exact'),
      said: `${chosen}, ${model.name} ${promoted}`,
    };
  }
  requirePromotion(recipe, chosen);
  return { product: backendProduct(backend, recipe.arithmetic, 'fast'), said: `${chosen}, f32 sums of the adapter` };
}

async function nativeOrWasm(backends: Backends | undefined): Promise<'native:host' | 'wasm'> {
  if (backends === undefined) return 'wasm';
  try {
    await backends('native:host').identify();
    return 'native:host';
  } catch (error) {
    if (error instanceof Fp8labError && error.kind === 'environment') return 'wasm';
    throw error;
  }
}

/** Sums in f32 lose nothing that a promotion could save: without a tensor core's arithmetic the ablation would show nothing. */
function requirePromotion({ arithmetic }: Recipe, engine: string): void {
  if (arithmetic.promoteEvery !== 0) return;
  throw usage(
    `${engine} sums in f32 and has no tensor core's accumulator: a run without promotion would show nothing`,
    '--no-promotion',
    'build the native runner with `node scripts/build-native.mjs`, or leave the flag away',
  );
}
