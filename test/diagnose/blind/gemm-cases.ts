import { dtypeOfFormat } from '../../../src/tensors/tensor.ts';
import { gemmSpec, models, schemeOf } from '../../helpers/specs.ts';
import { type BlindCase, type Change, drawChanges, shown } from './draw.ts';
import { type Core, type Form, type GemmRule, type PlainSum, product, type ScaleFault } from './gemm-rule.ts';
import { e4m3, e5m2, f32Of, toBf16 } from './numbers.ts';
import { type QuantRule, scalings } from './quantizer.ts';
import { normal, pick, type Random, randomOf } from './random.ts';

type GemmChange = Change<GemmRule>;

const change = (kind: string, name: string, change: Partial<GemmRule>, expect: GemmChange['expect']): GemmChange => ({
  kind,
  name,
  apply: (rule) => ({ ...rule, ...change }),
  expect,
});

const coreChange = (name: string, core: Core): GemmChange =>
  change(
    'sum',
    name,
    { sum: core },
    {
      model: 'aligned',
      fraction: String(core.fraction),
      terms: String(core.terms),
      step: core.cut,
      order: core.paired ? 'p4' : 'linear',
    },
  );

const hopper: Core = { fraction: 13, terms: 32, cut: 'e8m13' };
const ada: Core = { fraction: 13, terms: 16, cut: 'e8m13' };
const blackwell: Core = { fraction: 25, terms: 32, cut: 'f32-rz' };

/** Tensor cores that somebody has measured. */
const hardware: readonly GemmChange[] = [
  coreChange('hopper', hopper),
  coreChange('ada', ada),
  coreChange('blackwell', blackwell),
  coreChange('mma-sync', { fraction: 25, terms: 16, cut: 'f32-rz', paired: true }),
  coreChange('hopper bf16', { fraction: 25, terms: 16, cut: 'f32-rz' }),
  coreChange('ampere', { fraction: 24, terms: 8, cut: 'f32-rz' }),
  coreChange('f16 accumulators', { fraction: 13, terms: 32, cut: 'f16-rne' }),
];

const plainSums: readonly GemmChange[] = (
  [
    ['exact', { model: 'exact' }],
    ['sequential', { model: 'sequential', order: 'linear' }],
    ['pairwise', { model: 'pairwise' }],
    ['descending', { model: 'sequential', order: 'descending' }],
    ['f16', { model: 'f16-sequential' }],
    ['lanes-8', { model: 'lanes-8' }],
    ['lanes-32', { model: 'lanes-32' }],
  ] as const
).map(([sum, expect]) => change('sum', `${sum} sums`, { sum: sum as PlainSum }, expect));

/** A tensor core with any fraction bits, terms and output. */
function anyCore(random: Random): GemmChange {
  const cut = pick(random, ['e8m13', 'f32-rz', 'f32-rne'] as const);
  const fraction = 10 + Math.floor(random() * 16);
  const terms = pick(random, [4, 8, 16, 32, 64]);
  return coreChange(`F ${fraction} L ${terms} ${cut}`, { fraction, terms, cut });
}

const intervals = (scope: Setting['scope']): GemmChange[] =>
  [32, 64, 128, ...(scope === 'whole' ? [256, 512, 0] : [])].map((interval) =>
    change('interval', `promotion every ${interval}`, { interval }, { interval: String(interval) }),
  );

const combines: readonly GemmChange[] = [
  ...(['scales-first', 'a-then-b', 'b-then-a'] as const).map((combine) =>
    change('combine', combine, { combine }, { combine }),
  ),
  change('promote', 'fused', { fused: true }, { promote: 'fused' }),
  change('promote', 'unfused', { fused: false }, { promote: 'unfused' }),
];

const faultsOf = (names: readonly ScaleFault[]): GemmChange[] =>
  names.flatMap((fault) => [
    change('scale', `a ${fault}`, { scaleA: fault }, { 'a.scale': fault }),
    change('scale', `b ${fault}`, { scaleB: fault }, { 'b.scale': fault }),
  ]);

const blockFaults = faultsOf([
  'next-block',
  'next-block-clamped',
  'previous-block',
  'previous-block-clamped',
  'first-block',
  'last-block',
  'one',
  'inverse',
]);
const rowFaults: readonly GemmChange[] = [
  change('scale', 'a next-row', { scaleA: 'next-row' }, { 'a.scale': 'next-row' }),
  change('scale', 'a previous-row', { scaleA: 'previous-row' }, { 'a.scale': 'previous-row' }),
];

const slips: readonly GemmChange[] = [
  ...(['last-block', 'first-block', 'last-k32', 'last-k', 'block-end'] as const).map((drop) =>
    change('drop', `${drop} left out`, { drop }, { drop }),
  ),
  change('turned', 'a transposed', { turned: 'a' }, { 'a.memory': 'codes-transposed' }),
  change('turned', 'b transposed', { turned: 'b' }, { 'b.memory': 'codes-transposed' }),
  change('turned', 'd transposed', { turned: 'd' }, { 'd.transposed': 'yes' }),
];

function splitChange(random: Random): GemmChange {
  const split = 2 + Math.floor(random() * 15);
  const splitUnit = split > 8 ? 64 : 128;
  const splitStore = pick(random, ['f32', 'f32', 'bf16'] as const);
  return change(
    'split',
    `split ${split} of ${splitUnit} ${splitStore}`,
    { split, splitUnit, splitStore },
    { split: String(split), 'split.cut': `ceil-${splitUnit}`, 'split.partials': splitStore },
  );
}

const outputsOf = (output: Setting['output']): GemmChange[] => [
  ...(output === 'f32'
    ? []
    : (
        [
          ['zero', 'toward-zero'],
          ['away', 'nearest-away'],
          ['up', 'toward-positive'],
          ['down', 'toward-negative'],
        ] as const
      ).map(([way, name]) => change('output', name, { way }, { output: name }))),
  ...(output === 'f16' ? [] : [change('output', 'via f16', { way: 'via-f16' }, { output: 'via-f16' })]),
  ...(output === 'bf16' ? [] : [change('output', 'via bf16', { way: 'via-bf16' }, { output: 'via-bf16' })]),
];

const carries: readonly GemmChange[] = [change('carry', 'bf16 between blocks', { carry: 'bf16' }, { carry: 'bf16' })];

const quantizer = (name: string, change: Partial<QuantRule>, axis: string, value: string): GemmChange[] =>
  (['a', 'b'] as const).map((operand) => ({
    kind: 'quantizer',
    name: `${operand} ${name}`,
    apply: (rule) => ({ ...rule, [operand]: { ...rule[operand], ...change } }),
    expect: { [`${operand}.${axis}`]: value },
  }));

const quantizers: readonly GemmChange[] = [
  ...Object.entries(scalings).flatMap(([name, scale]): GemmChange[] => [
    {
      kind: 'quantizer',
      name: `both ${name}`,
      apply: (rule) => ({ ...rule, a: { ...rule.a, scale }, b: { ...rule.b, scale } }),
      expect: { 'a.recipe': name, 'b.recipe': name },
    },
    ...quantizer(name, { scale }, 'recipe', name),
  ]),
  ...quantizer('truncated', { way: 'zero' }, 'rounding', 'toward-zero'),
  ...quantizer('ties away', { way: 'away' }, 'rounding', 'nearest-away'),
  ...quantizer('in e5m2', { format: e5m2 }, 'format', 'e5m2'),
  ...quantizer('in 1x128', { tile: [1, 128] }, 'tile', '1x128'),
  ...quantizer('in 128x128', { tile: [128, 128] }, 'tile', '128x128'),
  ...quantizer('in 1x64', { tile: [1, 64] }, 'tile', '1x64'),
  ...quantizer('in 1x32', { tile: [1, 32] }, 'tile', '1x32'),
  ...quantizer('per token', { tile: [1, 0] }, 'tile', '1x0'),
  ...quantizer('per tensor', { tile: [0, 0] }, 'tile', '0x0'),
];

const form = (name: string, form: Form, sum: Core | PlainSum): GemmChange =>
  change(
    'form',
    name,
    { form, sum, interval: 0 },
    {
      'a.form': form,
      'b.form': form,
      interval: '0',
      ...[...hardware, ...plainSums].find(({ apply }) => same(apply({} as GemmRule).sum, sum))!.expect,
    },
  );

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const hopperBf16: Core = { fraction: 25, terms: 16, cut: 'f32-rz' };
const ampereBf16: Core = { fraction: 24, terms: 8, cut: 'f32-rz' };

const forms: readonly GemmChange[] = [
  form('dequantized to bf16, f32 sums', 'bf16', 'sequential'),
  form('dequantized to bf16, Hopper', 'bf16', hopperBf16),
  form('dequantized to bf16, Ampere', 'bf16', ampereBf16),
  form('dequantized to bf16, exact', 'bf16', 'exact'),
  form('dequantized to f32, f32 sums', 'f32', 'sequential'),
  form('dequantized to f32, exact', 'f32', 'exact'),
  form('not quantized, f32 sums', 'unquantized', 'sequential'),
  form('not quantized, Hopper', 'unquantized', hopperBf16),
  form('not quantized, exact', 'unquantized', 'exact'),
];

/** What goes with operands that are not codes: nothing of scales, and no other model. */
const excludes = { form: ['sum', 'interval', 'combine', 'promote', 'scale', 'turned', 'carry'] };

interface Setting {
  readonly output: 'bf16' | 'f16' | 'f32';
  readonly recipe: 'pow2' | 'divide' | 'inverse' | 'deepep';
  readonly scope: 'blocks' | 'whole';
  readonly data: 'normal' | 'positive' | 'outliers';
  readonly model: 'hopper' | 'blackwell' | 'exact';
  readonly combine: GemmRule['combine'];
}

/** Draws case `seed`: a spec, data, and one to three changes of different kinds. Undefined where no change shows in the result. */
export function gemmCase(seed: number, m = 64, n = 64, k = 1024): BlindCase | undefined {
  const random = randomOf(seed);
  const setting: Setting = {
    output: pick(random, ['bf16', 'bf16', 'f32', 'f32', 'f16']),
    recipe: pick(random, ['pow2', 'divide', 'divide', 'inverse', 'deepep']),
    scope: pick(random, ['blocks', 'blocks', 'whole']),
    data: pick(random, ['normal', 'normal', 'positive', 'outliers']),
    model: pick(random, ['hopper', 'hopper', 'hopper', 'blackwell', 'exact']),
    combine: pick(random, ['scales-first', 'scales-first', 'a-then-b']),
  };
  const own = ownRule(setting);
  const x = data(random, m, k, setting.data);
  const y = data(random, n, k, setting.data === 'outliers' ? 'normal' : setting.data);
  const resultOf = (rule: GemmRule): Uint32Array => product(x, y, [m, n, k], rule);
  const drawn = drawChanges(random, poolOf(random, setting), excludes);
  const changes = shown(drawn, own, (rule) => resultOf(rule).join());
  if (changes.length === 0) return undefined;
  const d = resultOf(changes.reduce((rule, { apply }) => apply(rule), own));
  const scheme = (tile: readonly [number, number]) => schemeOf({ recipe: setting.recipe, tile });
  const dtype = dtypeOfFormat[setting.output];
  const tensor = (values: Float64Array, rows: number) => ({
    dtype: 'BF16' as const,
    shape: [rows, k],
    codes: Uint16Array.from(values, (v) => toBf16(v)),
  });
  return {
    name: `gemm ${seed}: ${Object.values(setting).join(' ')}: ${drawn.map((it) => `${it.name}${changes.includes(it) ? '' : ' (does not show)'}`).join(' + ')}`,
    spec: gemmSpec({
      shape: { m, n, k },
      a: scheme(own.a.tile),
      b: scheme(own.b.tile),
      arithmetic: { model: models[setting.model], combine: setting.combine },
      output: setting.output,
    }),
    inputs: { a: tensor(x, m), b: tensor(y, n) },
    actual: { d: { dtype, shape: [m, n], codes: setting.output === 'f32' ? d : Uint16Array.from(d) } },
    expect: changes.map(({ expect }) => expect),
  };
}

function ownRule({ scope, recipe, model, combine, output }: Setting): GemmRule {
  const quant = (tile: readonly [number, number]): QuantRule => ({
    scale: scalings[recipe]!,
    tile,
    floor: (amax) => Math.max(amax, Math.fround(1e-4)),
    format: e4m3,
    way: 'even',
  });
  return {
    sum: model === 'hopper' ? hopper : model === 'blackwell' ? blackwell : 'exact',
    interval: 128,
    combine,
    fused: true,
    a: quant(scope === 'blocks' ? [1, 128] : [1, 0]),
    b: quant(scope === 'blocks' ? [128, 128] : [0, 0]),
    form: 'codes',
    scaleA: 'own',
    scaleB: 'own',
    drop: 'nothing',
    turned: 'nothing',
    carry: 'f32',
    split: 1,
    splitUnit: 128,
    splitStore: 'f32',
    output,
    way: 'even',
  };
}

function poolOf(random: Random, setting: Setting): GemmChange[] {
  return [
    ...hardware,
    ...hardware,
    ...plainSums,
    ...Array.from({ length: 12 }, () => anyCore(random)),
    ...intervals(setting.scope),
    ...combines,
    ...(setting.scope === 'blocks' ? [...blockFaults, ...rowFaults] : rowFaults),
    ...slips,
    splitChange(random),
    ...outputsOf(setting.output),
    ...carries,
    ...quantizers,
    ...forms,
  ];
}

function data(random: Random, rows: number, k: number, kind: Setting['data']): Float64Array {
  const values = new Float64Array(rows * k);
  const large = Array.from({ length: k }, () => random() < 0.02);
  for (let i = 0; i < values.length; i++) {
    const value =
      kind === 'positive' ? random() : kind === 'outliers' && large[i % k] ? 32 * normal(random) : normal(random);
    values[i] = f32Of((toBf16(Math.fround(value)) << 16) >>> 0);
  }
  return values;
}
