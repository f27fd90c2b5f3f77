import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend } from '../../src/backends/native.ts';
import { runReference } from '../../src/backends/reference.ts';
import { Fp8labError } from '../../src/errors.ts';
import { scaleRecipes } from '../../src/numerics/scheme.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { bytesOf, requireNative } from './support.ts';

const pick = <const T extends readonly unknown[]>(...values: T) =>
  fc.constantFrom(...values) as fc.Arbitrary<T[number]>;

const roundings = [
  'nearest-even',
  'toward-zero',
  'toward-positive',
  'toward-negative',
  'nearest-away',
  'to-odd',
  'stochastic',
] as const;

const recipes = scaleRecipes;

const seed = fc.integer({ min: 0, max: 0xffffffff });

const input = fc.record({
  generate: pick(
    'normal',
    'uniform',
    'positive',
    'near-ties',
    'bits',
    'zero',
    'saturating',
    'subnormal',
    'outlier-channels',
    'outlier-tokens',
  ),
  seed,
  dtype: pick('bf16', 'f16', 'f32'),
  exponent: fc.oneof(fc.constant(0), fc.integer({ min: -160, max: 140 })),
  share: pick(0.01, 0.3, 1),
  factorExponent: fc.integer({ min: -12, max: 30 }),
});

/** Layouts and types follow the recipe, so that few specs are refused. */
const scale = pick(...recipes).chain((recipe) => {
  const powerOfTwo = recipe === 'pow2' || recipe.startsWith('mx-');
  const types = recipe === 'nvfp4' ? (['e4m3'] as const) : powerOfTwo ? (['f32', 'e8m0'] as const) : (['f32'] as const);
  return fc.record({
    recipe: fc.constant(recipe),
    type: pick(...types),
    layout: pick('row-major', 'row-major', 'mn-major', 'packed-e8m0'),
    amaxFloor: pick(0, 1e-4, 1e-12, 0.5),
  });
});

const scheme = fc.record({
  format: pick('e4m3', 'e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2', 'e5m6', 'bf16', 'f16'),
  tile: pick([1, 128], [128, 128], [128, 1], [1, 32], [1, 16], [1, 0], [0, 0], [0, 1], [3, 5], [7, 64]),
  scale,
  rounding: pick(...roundings),
  overflow: pick('saturate', 'saturate', 'ieee'),
  seed,
});

const extent = fc.integer({ min: 1, max: 150 });
const matrix = fc.record({ rows: extent, columns: fc.oneof(extent, fc.integer({ min: 1, max: 600 })) });
const output = pick('bf16', 'f16', 'f32');

const model = fc.oneof(
  pick(
    'hopper-wgmma-fp8',
    'ada-mma-fp8',
    'blackwell-fp8',
    'hopper-mma-sync-fp8',
    'hopper-bf16',
    'ampere-bf16',
    'exact',
    'f32-sequential',
  ),
  fc.record({
    kind: fc.constant('aligned'),
    fractionBits: fc.integer({ min: 1, max: 35 }),
    terms: fc.integer({ min: 1, max: 64 }),
    output: pick('e8m13', 'f32-rz', 'f32-rne', 'f16-rne'),
    order: pick('linear', 'p4'),
  }),
);

const base = { fp8lab: fc.constant(1), name: fc.constant('fuzz') };

const arithmetic = fc.record({
  model,
  promoteEvery: pick(0, 1, 5, 16, 32, 64, 128),
  combine: pick('scales-first', 'a-then-b', 'b-then-a'),
  promote: pick('fused', 'unfused'),
});

/** Tiles along k that no promotion and no group's begin cuts, so that few grouped products are refused. */
const groupedScheme = scheme.map((it) => ({ ...it, tile: [1, it.tile[1] === 0 ? 0 : 16] }));

const grouped = fc.record({
  ...base,
  kernel: fc.constant('grouped-gemm'),
  layout: pick('contiguous', 'offsets', 'masked', 'k-grouped'),
  shape: fc.record({
    groups: fc.constant(3),
    m: fc.integer({ min: 60, max: 90 }),
    n: fc.integer({ min: 1, max: 20 }),
    k: fc.integer({ min: 60, max: 200 }),
  }),
  alignment: pick(16, 1, 32),
  sizes: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 3, maxLength: 3 }),
  a: fc.record({ scheme: groupedScheme, input }),
  b: fc.record({ scheme: groupedScheme, input }),
  arithmetic: arithmetic.map((it) => ({ ...it, promoteEvery: 16 })),
  output,
});

const routing = fc.record({
  generate: fc.constant('routing'),
  seed,
  skew: fc.nat(4),
  maskedTokens: pick(0, 0.2, 1),
  maskedSlots: pick(0, 0.2),
});

const routed = fc.record({
  shape: fc.record({ tokens: extent, hidden: extent }),
  experts: fc.integer({ min: 1, max: 40 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  alignment: pick(1, 5, 16),
  x: fc.oneof(
    fc.record({ input }),
    fc.record({ scheme: scheme.map((it) => ({ ...it, tile: [1, it.tile[1]] })), input }),
  ),
  topkIdx: routing,
});

/** A gate with the inputs it may have; logits of any kind, NaN among them. */
const gates = fc
  .record({
    tokens: fc.integer({ min: 1, max: 60 }),
    groups: pick(1, 2, 4, 8),
    size: fc.integer({ min: 1, max: 9 }),
    topkGroups: fc.integer({ min: 1, max: 8 }),
    topk: fc.integer({ min: 1, max: 16 }),
    rule: fc.record({
      score: pick('sigmoid', 'sqrt-softplus', 'softmax', 'logit'),
      groupScore: pick('top2-sum', 'max'),
      normalize: pick('none', 'sum', 'softmax'),
      routeScale: pick(1, 2.5, 0),
      sharedExperts: fc.nat(2),
    }),
    logits: fc.record({ input }),
    bias: fc.option(fc.record({ input }), { nil: undefined }),
    mask: fc.option(fc.record({ generate: fc.constant('mask'), seed, share: pick(0, 0.3, 1) }), { nil: undefined }),
    replayed: fc.boolean(),
    routing,
  })
  .map(({ tokens, groups, size, topkGroups, topk, rule, logits, bias, mask, replayed, routing }) => ({
    fp8lab: 1,
    name: 'fuzz',
    kernel: 'gate',
    shape: { tokens, experts: groups * size },
    gate: {
      ...rule,
      groups,
      topkGroups: Math.min(topkGroups, groups),
      topk: Math.min(topk, Math.min(topkGroups, groups) * size),
    },
    logits,
    ...(bias && { bias }),
    ...(mask && { mask }),
    ...(replayed && { indices: routing }),
  }));

const losses = fc.record({
  ...base,
  kernel: fc.constant('balance-loss'),
  shape: fc.record({ tokens: fc.integer({ min: 1, max: 60 }), experts: fc.integer({ min: 4, max: 40 }) }),
  score: pick('sigmoid', 'softmax'),
  topk: fc.integer({ min: 1, max: 4 }),
  logits: fc.record({ input }),
});

const specs = fc.oneof(
  gates,
  losses,
  grouped,
  fc.record({ ...base, kernel: fc.constant('quantize'), shape: matrix, x: fc.record({ input }), scheme }),
  fc.record({ ...base, kernel: fc.constant('dequantize'), shape: matrix, x: fc.record({ scheme, input }), output }),
  fc.record({ ...base, kernel: fc.constant('requantize'), shape: matrix, x: fc.record({ scheme, input }), to: scheme }),
  fc.record({
    ...base,
    kernel: fc.constant('gemm'),
    shape: fc.record({
      m: fc.integer({ min: 1, max: 20 }),
      n: fc.integer({ min: 1, max: 40 }),
      k: fc.integer({ min: 1, max: 300 }),
    }),
    a: fc.record({ scheme, input }),
    b: fc.record({ scheme, input }),
    arithmetic,
    output,
  }),
  routed.map(({ shape, experts, share, alignment, x, topkIdx }) => ({
    fp8lab: 1,
    name: 'fuzz',
    kernel: 'permute',
    shape: { ...shape, experts, topk: 1 + Math.floor(share * Math.min(experts - 1, 8)) },
    alignment,
    x,
    topkIdx,
  })),
  fc
    .record(
      {
        ...base,
        kernel: pick('swiglu-quantize', 'swiglu-backward'),
        shape: fc.record({ rows: extent, inter: extent }),
        x: fc.record({ input }),
        grad: fc.record({ input }),
        clamp: fc.double({ min: 0.01, max: 100, noNaN: true }),
        weights: fc.record({ input: input.map((it) => ({ ...it, dtype: 'f32' })) }),
        rowToSlot: routing,
        scheme,
      },
      { requiredKeys: ['fp8lab', 'name', 'kernel', 'shape', 'x', 'grad'] },
    )
    .map(({ grad, ...it }) => (it.kernel === 'swiglu-backward' ? { ...it, grad } : it)),
  fc.record({
    ...base,
    kernel: fc.constant('unpermute'),
    shape: fc.record({ tokens: extent, hidden: extent, topk: fc.integer({ min: 1, max: 9 }), rows: extent }),
    x: fc.record({ input }),
    slotToRow: routing,
    topkWeights: fc.option(fc.record({ input: input.map((it) => ({ ...it, dtype: 'f32' })) }), { nil: undefined }),
    output,
  }),
);

/** The spec, or undefined where it contradicts itself: scales that change within a promotion, types that do not hold a recipe's scales. */
function resolved(authored: unknown): ResolvedSpec | undefined {
  try {
    return resolveSpec(authored);
  } catch (error) {
    if (error instanceof Fp8labError && error.kind === 'input') return undefined;
    throw error;
  }
}

describe.runIf(requireNative())('native:host against the reference', () => {
  const backend = createNativeBackend('native:host');
  afterAll(() => backend.close());

  it('gives the same bytes for specs drawn at random', { timeout: 240_000 }, async () => {
    const valid = specs.map(resolved).filter((spec) => spec !== undefined);
    const runs = Number(process.env.FP8LAB_FUZZ_RUNS ?? 200);
    await fc.assert(
      fc.asyncProperty(valid, async (spec) => {
        const { tensors } = await backend.run(spec);
        expect(bytesOf(tensors)).toEqual(bytesOf(runReference(spec).tensors));
      }),
      { numRuns: runs },
    );
  });
});
