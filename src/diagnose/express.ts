import type { StepOutput, TensorCoreModel } from '../numerics/arithmetic.ts';
import type { FormatName, Overflow, Rounding } from '../numerics/formats.ts';
import { type ScaleLayout, type ScaleRecipe, type Scheme, scaleRecipes } from '../numerics/scheme.ts';
import type {
  GemmSpec,
  GroupedGemmSpec,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
  SwigluQuantizeSpec,
} from '../specs/types.ts';
import type { Convention } from './convention.ts';
import { parseTile } from './tile-quantizer.ts';

/**
 * The spec that says what a convention does, or undefined where no spec can say it (faults, and the conventions of other libraries). With it
 * everything that works on specs (tracing, running, parity) works on what a kernel was found to do.
 */
export function specOf(spec: ResolvedSpec, convention: Convention): ResolvedSpec | undefined {
  switch (spec.kernel) {
    case 'gemm':
    case 'grouped-gemm':
      return gemmSpecOf(spec, convention);
    case 'quantize':
      return withScheme(spec, spec.scheme, convention, (scheme) => ({ ...(spec as QuantizeSpec), scheme }));
    case 'requantize':
      return withScheme(spec, spec.to, convention, (to) => ({ ...(spec as RequantizeSpec), to }));
    case 'swiglu-quantize':
      if (spec.scheme !== undefined)
        return withScheme(spec, spec.scheme, convention, (scheme) => ({ ...(spec as SwigluQuantizeSpec), scheme }));
      return has(convention, { ...plainActivation, output: 'nearest-even' }) ? spec : undefined;
    case 'gate':
      return undefined;
    default:
      return Object.values(convention).every((value) => ['own', 'quantized', 'nothing'].includes(value))
        ? spec
        : undefined;
  }
}

/** True where a convention has the given values, whatever else it says. */
const has = (convention: Convention, values: Convention): boolean =>
  Object.entries(values).every(([axis, value]) => convention[axis] === undefined || convention[axis] === value);

function schemeFrom(scheme: Scheme, prefix: string, convention: Convention): Scheme | undefined {
  const of = (axis: string): string => convention[`${prefix}${axis}`] as string;
  const recipe = of('recipe') as ScaleRecipe;
  const floor = Number(of('floor'));
  if (!scaleRecipes.includes(recipe) || of('floor').startsWith('+') || !Number.isFinite(floor)) return undefined;
  return {
    ...scheme,
    format: of('format') as FormatName,
    tile: parseTile(of('tile')),
    scale: { ...scheme.scale, recipe, amaxFloor: floor },
    rounding: of('rounding') as Rounding,
    overflow: of('overflow') as Overflow,
  };
}

const plainActivation: Convention = {
  halves: 'gate-up',
  function: 'pinned',
  product: 'silu-first',
  through: 'f32',
  clamp: 'as-said',
  weights: 'applied',
  slots: 'zero',
};

function withScheme(
  spec: ResolvedSpec,
  scheme: Scheme,
  convention: Convention,
  make: (scheme: Scheme) => ResolvedSpec,
): ResolvedSpec | undefined {
  const plain = {
    ...plainActivation,
    source: 'own',
    amax: 'magnitude',
    specials: 'kept',
    subnormals: 'kept',
    zeroSign: 'kept',
    factor: 'own',
    stored: 'own',
    order: 'row-major',
    nibbles: 'low-first',
    padding: 'zero',
    blank: 'nothing',
  };
  const layout = convention.layout as ScaleLayout;
  if (!has(convention, plain) || !['row-major', 'mn-major', 'packed-e8m0'].includes(layout)) return undefined;
  const made = schemeFrom(scheme, '', convention);
  return made === undefined ? undefined : { ...make({ ...made, scale: { ...made.scale, layout } }), name: spec.name };
}

const plainOperand = (name: string): Convention => ({
  [`${name}.form`]: 'quantized',
  [`${name}.amax`]: 'magnitude',
  [`${name}.factor`]: 'own',
  [`${name}.scale`]: 'own',
  [`${name}.memory`]: 'own',
  [`${name}.decode`]: 'own',
});

const plainGemm: Convention = {
  align: 'truncate',
  products: 'as-they-are',
  zeros: 'out',
  first: '0',
  walk: 'ascending',
  clear: 'each',
  scales: 'block',
  partial: 'f32',
  carry: 'f32',
  split: '1',
  drop: 'nothing',
  blank: 'nothing',
  'd.transposed': 'no',
  c: 'added',
  output: 'nearest-even',
  'group.b': 'own',
  'group.scales': 'own',
  'group.rows': 'whole',
  padding: 'zero',
  ...plainOperand('a'),
  ...plainOperand('b'),
};

function gemmSpecOf<S extends GemmSpec | GroupedGemmSpec>(spec: S, convention: Convention): S | undefined {
  const { combine, promote, interval } = convention;
  const model = modelFrom(convention);
  const a = schemeFrom(spec.a.scheme, 'a.', convention);
  const b = schemeFrom(spec.b.scheme, 'b.', convention);
  if (!has(convention, plainGemm) || model === undefined || a === undefined || b === undefined || combine === 'f64')
    return undefined;
  return {
    ...spec,
    a: { ...spec.a, scheme: a },
    b: { ...spec.b, scheme: b },
    arithmetic: { model, promoteEvery: Number(interval), combine: combine as 'a-then-b', promote: promote as 'fused' },
  };
}

function modelFrom({ model, fraction, terms, step, order }: Convention): TensorCoreModel | undefined {
  if (order === 'descending') return undefined;
  if (model === 'exact' || model === 'sequential') {
    const name = model === 'exact' ? 'exact' : 'f32-sequential';
    return { name, kind: model, fractionBits: 0, terms: 0, output: 'f32-rne', order: 'linear' };
  }
  if (model !== 'aligned') return undefined;
  const parts = {
    fractionBits: Number(fraction),
    terms: Number(terms),
    output: step as StepOutput,
    order: order as 'linear',
  };
  return { name: `aligned-${fraction}-${terms}-${step}`, kind: 'aligned', ...parts };
}
