import type { Convention } from '../../../src/diagnose/convention.ts';
import type { GemmSpec } from '../../../src/specs/types.ts';
import type { Tensors } from '../../../src/tensors/tensor.ts';
import { gemmSpec, models, schemeOf } from '../../helpers/specs.ts';
import { e4m3, e5m2, f32Of, toBf16 } from './numbers.ts';
import { type Core, type GemmRule, product, type QuantRule, scalings } from './rules.ts';

/** mulberry32: a generator of its own, so that the data do not come from the product either. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

/** A way in which the kernel of a case leaves the spec, and the axes that name it. */
interface Change {
  readonly kind: string;
  readonly name: string;
  readonly apply: (rule: GemmRule) => GemmRule;
  /** Axes that the first candidate must have. */
  readonly expect: Convention;
}

const core = (name: string, fraction: number, terms: number, cut: Core['cut'], paired = false): Core => ({
  name,
  fraction,
  terms,
  cut,
  paired,
});

const hopper = core('hopper', 13, 32, 'e8m13');

const cores: readonly Core[] = [
  core('ada', 13, 16, 'e8m13'),
  core('blackwell', 25, 32, 'f32-rz'),
  core('mma-sync', 25, 16, 'f32-rz', true),
  core('ampere', 24, 8, 'f32-rz'),
  core('f12', 12, 32, 'e8m13'),
  core('f14', 14, 32, 'e8m13'),
  core('f15', 15, 16, 'f32-rz'),
  core('uncut', 13, 32, 'f32-rz'),
  core('nearest', 25, 32, 'f32-rne'),
  core('f16 accumulators', 13, 32, 'f16-rne'),
  core('l64', 13, 64, 'e8m13'),
];

const sums: readonly Change[] = [
  ...cores.map(
    (it): Change => ({
      kind: 'sum',
      name: it.name,
      apply: (rule) => ({ ...rule, sum: it }),
      expect: {
        model: 'aligned',
        fraction: String(it.fraction),
        terms: String(it.terms),
        step: it.cut,
        order: it.paired ? 'p4' : 'linear',
      },
    }),
  ),
  ...(['exact', 'sequential', 'pairwise'] as const).map(
    (sum): Change => ({
      kind: 'sum',
      name: sum,
      apply: (rule) => ({ ...rule, sum }),
      expect: { model: sum },
    }),
  ),
  { kind: 'sum', name: 'f16 sums', apply: (rule) => ({ ...rule, sum: 'f16' }), expect: { model: 'f16-sequential' } },
  {
    kind: 'sum',
    name: 'descending',
    apply: (rule) => ({ ...rule, sum: 'descending' }),
    expect: { model: 'sequential', order: 'descending' },
  },
];

const intervals: readonly Change[] = [32, 64].map((interval) => ({
  kind: 'interval',
  name: `promotion every ${interval}`,
  apply: (rule) => ({ ...rule, interval }),
  expect: { interval: String(interval) },
}));

const longIntervals: readonly Change[] = [256, 512, 0].map((interval) => ({
  kind: 'interval',
  name: `promotion every ${interval}`,
  apply: (rule) => ({ ...rule, interval }),
  expect: { interval: String(interval) },
}));

const combines: readonly Change[] = [
  {
    kind: 'combine',
    name: 'a-then-b',
    apply: (rule) => ({ ...rule, combine: 'a-then-b' }),
    expect: { combine: 'a-then-b' },
  },
  {
    kind: 'combine',
    name: 'b-then-a',
    apply: (rule) => ({ ...rule, combine: 'b-then-a' }),
    expect: { combine: 'b-then-a' },
  },
  { kind: 'promote', name: 'unfused', apply: (rule) => ({ ...rule, fused: false }), expect: { promote: 'unfused' } },
];

const faults: readonly Change[] = [
  {
    kind: 'fault',
    name: 'next scale of a',
    apply: (rule) => ({ ...rule, scaleFault: 'next' }),
    expect: { 'a.scale': 'next-block-clamped' },
  },
  {
    kind: 'fault',
    name: 'first scales',
    apply: (rule) => ({ ...rule, scaleFault: 'first' }),
    expect: { 'a.scale': 'first-block', 'b.scale': 'first-block' },
  },
  {
    kind: 'fault',
    name: 'scale of the next row of a',
    apply: (rule) => ({ ...rule, scaleFault: 'next-row' }),
    expect: { 'a.scale': 'next-row' },
  },
  {
    kind: 'fault',
    name: 'no scale of b',
    apply: (rule) => ({ ...rule, scaleFault: 'b-left-out' }),
    expect: { 'b.scale': 'one' },
  },
  {
    kind: 'drop',
    name: 'last block',
    apply: (rule) => ({ ...rule, drop: 'last-block' }),
    expect: { drop: 'last-block' },
  },
  {
    kind: 'drop',
    name: 'first block',
    apply: (rule) => ({ ...rule, drop: 'first-block' }),
    expect: { drop: 'first-block' },
  },
  { kind: 'drop', name: 'last 32 k', apply: (rule) => ({ ...rule, drop: 'last-k32' }), expect: { drop: 'last-k32' } },
  {
    kind: 'memory',
    name: 'b transposed',
    apply: (rule) => ({ ...rule, memory: 'b-transposed' }),
    expect: { 'b.memory': 'codes-transposed' },
  },
  {
    kind: 'memory',
    name: 'd transposed',
    apply: (rule) => ({ ...rule, memory: 'd-transposed' }),
    expect: { 'd.transposed': 'yes' },
  },
];

const splits: readonly Change[] = [2, 3, 4, 5, 7, 8].flatMap((split) =>
  (['f32', 'bf16'] as const).map(
    (store): Change => ({
      kind: 'split',
      name: `split ${split} ${store}`,
      apply: (rule) => ({ ...rule, split, splitStore: store }),
      expect: { split: String(split), 'split.partials': store },
    }),
  ),
);

const outputs: readonly Change[] = [
  { kind: 'output', name: 'truncated', apply: (rule) => ({ ...rule, way: 'zero' }), expect: { output: 'toward-zero' } },
  { kind: 'output', name: 'via f16', apply: (rule) => ({ ...rule, way: 'via-f16' }), expect: { output: 'via-f16' } },
  {
    kind: 'carry',
    name: 'bf16 between blocks',
    apply: (rule) => ({ ...rule, carry: 'bf16' }),
    expect: { carry: 'bf16' },
  },
];

const viaBf16: Change = {
  kind: 'output',
  name: 'via bf16',
  apply: (rule) => ({ ...rule, way: 'via-bf16' }),
  expect: { output: 'via-bf16' },
};

const recipes: readonly Change[] = Object.keys(scalings).map((name) => ({
  kind: 'quantizer',
  name: `both ${name}`,
  apply: (rule) => ({ ...rule, a: { ...rule.a, scale: scalings[name]! }, b: { ...rule.b, scale: scalings[name]! } }),
  expect: { 'a.recipe': name, 'b.recipe': name },
}));

const quantFaults: readonly Change[] = [
  ...Object.keys(scalings).map(
    (name): Change => ({
      kind: 'quantizer',
      name: `a ${name}`,
      apply: (rule) => ({ ...rule, a: { ...rule.a, scale: scalings[name]! } }),
      expect: { 'a.recipe': name },
    }),
  ),
  {
    kind: 'quantizer',
    name: 'a truncated',
    apply: (rule) => ({ ...rule, a: { ...rule.a, way: 'zero' } }),
    expect: { 'a.rounding': 'toward-zero' },
  },
  {
    kind: 'quantizer',
    name: 'a in 128x128',
    apply: (rule) => ({ ...rule, a: { ...rule.a, tile: [128, 128] } }),
    expect: { 'a.tile': '128x128' },
  },
  {
    kind: 'quantizer',
    name: 'b in 1x128',
    apply: (rule) => ({ ...rule, b: { ...rule.b, tile: [1, 128] } }),
    expect: { 'b.tile': '1x128' },
  },
  {
    kind: 'quantizer',
    name: 'a per token',
    apply: (rule) => ({ ...rule, a: { ...rule.a, tile: [1, 0] } }),
    expect: { 'a.tile': '1x0' },
  },
  {
    kind: 'quantizer',
    name: 'a in e5m2',
    apply: (rule) => ({ ...rule, a: { ...rule.a, format: e5m2 } }),
    expect: { 'a.format': 'e5m2' },
  },
];

const forms: readonly Change[] = [
  {
    kind: 'form',
    name: 'dequantized to bf16, f32 sums',
    apply: (rule) => ({ ...rule, form: 'bf16', sum: 'sequential', interval: 0 }),
    expect: { 'a.form': 'bf16', 'b.form': 'bf16', model: 'sequential', interval: '0' },
  },
  {
    kind: 'form',
    name: 'dequantized to bf16, bf16 tensor core',
    apply: (rule) => ({ ...rule, form: 'bf16', sum: core('hopper bf16', 25, 16, 'f32-rz'), interval: 0 }),
    expect: { 'a.form': 'bf16', 'b.form': 'bf16', model: 'aligned', fraction: '25', terms: '16', interval: '0' },
  },
  {
    kind: 'form',
    name: 'dequantized to f32, exact',
    apply: (rule) => ({ ...rule, form: 'f32', sum: 'exact', interval: 0 }),
    expect: { 'a.form': 'f32', 'b.form': 'f32', model: 'exact', interval: '0' },
  },
  {
    kind: 'form',
    name: 'not quantized, f32 sums',
    apply: (rule) => ({ ...rule, form: 'unquantized', sum: 'sequential', interval: 0 }),
    expect: { 'a.form': 'unquantized', 'b.form': 'unquantized', model: 'sequential' },
  },
  {
    kind: 'form',
    name: 'not quantized, bf16 tensor core',
    apply: (rule) => ({ ...rule, form: 'unquantized', sum: core('ampere', 24, 8, 'f32-rz'), interval: 0 }),
    expect: { 'a.form': 'unquantized', 'b.form': 'unquantized', fraction: '24' },
  },
];

/** A blind case: a spec, its inputs, and what some other kernel made of them. */
export interface BlindCase {
  readonly name: string;
  readonly spec: GemmSpec;
  readonly inputs: Tensors;
  readonly d: Uint32Array;
  /** What the spec's own rule gives, by the same plain code. */
  readonly own: Uint32Array;
  readonly expect: Convention;
}

interface Setting {
  readonly output: 'bf16' | 'f16' | 'f32';
  readonly recipe: string;
  readonly scope: 'blocks' | 'whole';
  readonly data: 'normal' | 'positive' | 'outliers';
}

/** Draws case `seed`: a spec, data, and one to three changes of different kinds. */
export function blindCase(seed: number, m = 64, n = 64, k = 1024): BlindCase {
  const random = randomOf(seed);
  const setting: Setting = {
    output: pick(random, ['bf16', 'bf16', 'f32', 'f32', 'f16']),
    recipe: pick(random, ['pow2', 'divide', 'divide', 'inverse']),
    scope: pick(random, ['blocks', 'blocks', 'whole']),
    data: pick(random, ['normal', 'normal', 'positive', 'outliers']),
  };
  const changes = draw(random, setting);
  const tiles: [readonly [number, number], readonly [number, number]] =
    setting.scope === 'blocks'
      ? [
          [1, 128],
          [128, 128],
        ]
      : [
          [1, 0],
          [0, 0],
        ];
  const quant = (tile: readonly [number, number]): QuantRule => ({
    name: setting.recipe,
    scale: scalings[setting.recipe]!,
    tile,
    format: e4m3,
    way: 'even',
  });
  const own: GemmRule = {
    sum: hopper,
    interval: 128,
    combine: 'scales-first',
    fused: true,
    a: quant(tiles[0]),
    b: quant(tiles[1]),
    form: 'codes',
    scaleFault: 'none',
    drop: 'none',
    memory: 'as-is',
    carry: 'f32',
    split: 1,
    splitStore: 'f32',
    output: setting.output,
    way: 'even',
  };
  const rule = changes.reduce((made, { apply }) => apply(made), own);
  const x = data(random, m, k, setting.data);
  const y = data(random, n, k, setting.data === 'outliers' ? 'normal' : setting.data);
  const spec = gemmSpec({
    shape: { m, n, k },
    a: schemeOf({ recipe: setting.recipe as 'pow2', tile: tiles[0] }),
    b: schemeOf({ recipe: setting.recipe as 'pow2', tile: tiles[1] }),
    arithmetic: { model: models.hopper },
    output: setting.output,
  });
  const tensor = (values: Float64Array, rows: number) => ({
    dtype: 'BF16' as const,
    shape: [rows, k],
    codes: Uint16Array.from(values, (v) => toBf16(v)),
  });
  return {
    name: `${seed}: ${Object.values(setting).join(' ')}: ${changes.map(({ name }) => name).join(' + ')}`,
    spec,
    inputs: { a: tensor(x, m), b: tensor(y, n) },
    d: product(x, y, m, n, k, rule),
    own: product(x, y, m, n, k, own),
    expect: Object.assign({}, ...changes.map(({ expect }) => expect)),
  };
}

function draw(random: Random, setting: Setting): Change[] {
  const pools: (readonly Change[])[] = [
    sums,
    setting.scope === 'whole' ? [...intervals, ...longIntervals] : intervals,
    setting.output === 'f32' ? combines : outputs,
    setting.scope === 'blocks' ? faults : faults.filter(({ kind }) => kind !== 'fault'),
    splits,
    setting.output === 'f32' ? [...outputs, viaBf16] : outputs,
    [...recipes, ...quantFaults],
    forms,
  ];
  const wanted = pick(random, [1, 1, 1, 2, 2, 3]);
  const chosen: Change[] = [];
  while (chosen.length < wanted) {
    const change = pick(random, pick(random, pools));
    if (chosen.some(({ kind }) => kind === change.kind)) continue;
    if (
      change.kind === 'form' &&
      chosen.some(({ kind }) => ['sum', 'interval', 'combine', 'promote', 'fault', 'memory'].includes(kind))
    )
      continue;
    if (
      chosen.some(({ kind }) => kind === 'form') &&
      ['sum', 'interval', 'combine', 'promote', 'fault', 'memory'].includes(change.kind)
    )
      continue;
    chosen.push(change);
  }
  return chosen;
}

function data(random: Random, rows: number, k: number, kind: Setting['data']): Float64Array {
  const values = new Float64Array(rows * k);
  const large = Array.from({ length: k }, () => random() < 0.02);
  for (let i = 0; i < values.length; i++) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const value = kind === 'positive' ? random() : kind === 'outliers' && large[i % k] ? 32 * normal : normal;
    values[i] = f32Of((toBf16(Math.fround(value)) << 16) >>> 0);
  }
  return values;
}
