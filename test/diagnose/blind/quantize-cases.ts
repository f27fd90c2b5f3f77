import type { FormatName } from '../../../src/numerics/formats.ts';
import type { Scheme } from '../../../src/numerics/scheme.ts';
import type { ResolvedSpec } from '../../../src/specs/types.ts';
import type { Codes, Tensor, Tensors } from '../../../src/tensors/tensor.ts';
import { quantizeSpec, requantizeSpec, schemeOf } from '../../helpers/specs.ts';
import { type BlindCase, type Change, drawChanges, shown } from './draw.ts';
import { bf16, bitsOf, e2m1, e4m3, e5m2, f32Of, type Small, toBf16 } from './numbers.ts';
import { type Matrix, type QuantRule, quantize, scalings } from './quantizer.ts';
import { normal, pick, type Random, randomOf } from './random.ts';

type Layout =
  | 'row-major'
  | 'mn-major'
  | 'column-major'
  | 'broadcast'
  | 'blocked-128x4'
  | 'packed-e8m0'
  | 'packed-row-major';

/** A whole quantizer, as one kernel does it. */
interface Rule {
  /** Which matrix is quantized: a requantization may take its codes otherwise. */
  readonly source: 'own' | 'bf16' | 'unscaled';
  readonly quant: QuantRule;
  readonly layout: Layout;
  readonly padding: 'zero' | 'one' | 'edge';
  readonly turned: boolean;
  readonly highFirst: boolean;
}

type QuantChange = Change<Rule>;

const quantChange = (kind: string, name: string, change: Partial<QuantRule>, expect: QuantChange['expect']) => ({
  kind,
  name,
  apply: (rule: Rule): Rule => ({ ...rule, quant: { ...rule.quant, ...change } }),
  expect,
});

const change = (kind: string, name: string, change: Partial<Rule>, expect: QuantChange['expect']) => ({
  kind,
  name,
  apply: (rule: Rule): Rule => ({ ...rule, ...change }),
  expect,
});

const powersOfTwo = ['pow2', 'mx-floor', 'pow2-down', 'pow2-nearest'];
const floors: readonly (readonly [string, (amax: number) => number])[] = [
  ['0', (amax) => amax],
  ['1e-10', (amax) => Math.max(amax, Math.fround(1e-10))],
  ['1e-12', (amax) => Math.max(amax, Math.fround(1e-12))],
  ['0.001', (amax) => Math.max(amax, Math.fround(1e-3))],
  ['+1e-4', (amax) => Math.fround(amax + Math.fround(1e-4))],
  ['+1e-6', (amax) => Math.fround(amax + Math.fround(1e-6))],
];
const tiles = ['1x128', '128x128', '128x1', '1x64', '64x64', '1x32', '32x1', '1x16', '1x0', '0x1', '0x0'];

interface Setting {
  readonly kind: 'fp8' | 'fp8-pow2' | 'packed' | 'fp4';
  readonly recipe: string;
  readonly data: 'normal' | 'wide' | 'outliers';
}

function changesFor({ kind }: Setting): QuantChange[] {
  const fp8 = kind === 'fp8' || kind === 'fp8-pow2';
  const names = fp8 ? Object.keys(scalings) : powersOfTwo;
  const layouts: readonly Layout[] =
    kind === 'packed'
      ? ['packed-e8m0', 'packed-row-major']
      : ['row-major', 'mn-major', 'column-major', 'broadcast', 'blocked-128x4'];
  return [
    ...names.map((name) => quantChange('recipe', name, { scale: scalings[name]! }, { recipe: name })),
    ...floors.map(([floor, of]) => quantChange('floor', `floor ${floor}`, { floor: of }, { floor })),
    ...(['zero', 'away', 'odd'] as const).map((way) =>
      quantChange(
        'rounding',
        `rounded ${way}`,
        { way },
        { rounding: { zero: 'toward-zero', away: 'nearest-away', odd: 'to-odd' }[way] },
      ),
    ),
    ...tiles.map((tile) =>
      quantChange('tile', `tile ${tile}`, { tile: tile.split('x').map(Number) as [number, number] }, { tile }),
    ),
    ...(fp8 ? [quantChange('format', 'e5m2', { format: e5m2 }, { format: 'e5m2' })] : []),
    ...layouts.map((layout) => change('layout', layout, { layout }, { layout })),
    ...(kind === 'fp4' ? [change('nibbles', 'high nibble first', { highFirst: true }, { nibbles: 'high-first' })] : []),
    change('order', 'transposed codes', { turned: true }, { order: 'column-major' }),
    ...(['one', 'edge'] as const).map((padding) => change('padding', `padding ${padding}`, { padding }, { padding })),
  ];
}

/** A matrix as a kernel is given it, and what it may be taken for. */
interface Given {
  readonly sources: Readonly<Partial<Record<Rule['source'], Float64Array>>>;
  readonly inputs: Tensors;
  spec(scheme: Scheme): ResolvedSpec;
}

/** Draws case `seed` of a quantizer of 48 x 640. Undefined where no change shows in the result. */
export function quantizeCase(seed: number, rows = 48, columns = 640): BlindCase | undefined {
  return drawCase('quantize', seed, rows, columns, (random, kind) => {
    const x = data(random, rows, columns, kind);
    return {
      sources: { own: x },
      inputs: { x: { dtype: 'BF16', shape: [rows, columns], codes: Uint16Array.from(x, (v) => toBf16(v)) } },
      spec: (scheme) => quantizeSpec(rows, columns, scheme),
    };
  });
}

/** The same of a requantization of codes in 1x128. */
export function requantizeCase(seed: number, rows = 48, columns = 640): BlindCase | undefined {
  return drawCase('requantize', seed, rows, columns, (random, kind) => {
    const from = quantize(data(random, rows, columns, kind), rows, columns, {
      scale: scalings.divide!,
      tile: [1, 128],
      floor: (amax) => Math.max(amax, Math.fround(1e-4)),
      format: e4m3,
      way: 'even',
    });
    const own = from.value.map((value, i) =>
      Math.fround(value * from.scales[Math.floor(i / columns) * from.across + Math.floor((i % columns) / 128)]!),
    );
    return {
      sources: { own, bf16: own.map(bf16), unscaled: from.value },
      inputs: {
        codes: { dtype: 'F8_E4M3', shape: [rows, columns], codes: Uint8Array.from(from.code) },
        scales: { dtype: 'F32', shape: [from.down, from.across], codes: Uint32Array.from(from.scales, bitsOf) },
      },
      spec: (scheme) => requantizeSpec(rows, columns, schemeOf({ recipe: 'divide' }), scheme),
    };
  });
}

function drawCase(
  kernel: string,
  seed: number,
  rows: number,
  columns: number,
  given: (random: Random, kind: Setting['data']) => Given,
): BlindCase | undefined {
  const random = randomOf(seed);
  const kind = pick(random, ['fp8', 'fp8', 'fp8-pow2', 'packed', 'fp4'] as const);
  const setting: Setting = {
    kind,
    recipe:
      kind === 'fp8'
        ? pick(random, ['divide', 'divide', 'inverse', 'deepep', 'te'])
        : kind === 'fp4'
          ? 'mx-floor'
          : 'pow2',
    data: pick(random, ['normal', 'wide', 'outliers'] as const),
  };
  const format = kind === 'fp4' ? e2m1 : e4m3;
  const tile: [number, number] = kind === 'fp4' ? [1, 32] : [1, 128];
  const own: Rule = {
    source: 'own',
    quant: {
      scale: scalings[setting.recipe]!,
      tile,
      floor: (amax) => Math.max(amax, Math.fround(1e-4)),
      format,
      way: 'even',
    },
    layout: kind === 'packed' ? 'packed-e8m0' : 'row-major',
    padding: 'zero',
    turned: false,
    highFirst: false,
  };
  const { sources, inputs, spec } = given(random, setting.data);
  const takes = Object.keys(sources).filter((source): source is Rule['source'] => source !== 'own');
  const drawn = drawChanges(random, [
    ...changesFor(setting),
    ...takes.map((source) => change('source', `${source} codes`, { source }, { source })),
  ]);
  const resultOf = (rule: Rule): Tensors => results(sources[rule.source]!, rows, columns, rule, kind);
  const changes = shown(drawn, own, (rule) => {
    const { codes, scales } = resultOf(rule);
    return `${codes!.dtype} ${codes!.shape} ${codes!.codes} ${scales!.shape} ${scales!.codes}`;
  });
  if (changes.length === 0) return undefined;
  const type = kind === 'packed' || kind === 'fp4' ? 'e8m0' : 'f32';
  return {
    name: `${kernel} ${seed}: ${Object.values(setting).join(' ')}: ${drawn.map((it) => `${it.name}${changes.includes(it) ? '' : ' (does not show)'}`).join(' + ')}`,
    spec: spec(
      schemeOf({
        format: kind === 'fp4' ? 'e2m1' : 'e4m3',
        tile,
        recipe: setting.recipe as 'divide',
        type,
        layout: kind === 'packed' ? 'packed-e8m0' : 'row-major',
      }),
    ),
    inputs,
    actual: resultOf(changes.reduce((rule, { apply }) => apply(rule), own)),
    expect: changes.map(({ expect }) => expect),
  };
}

const formatNames = new Map<Small, FormatName>([
  [e4m3, 'e4m3'],
  [e5m2, 'e5m2'],
  [e2m1, 'e2m1'],
]);

function results(x: Float64Array, rows: number, columns: number, rule: Rule, kind: Setting['kind']): Tensors {
  const made = quantize(x, rows, columns, rule.quant);
  const name = formatNames.get(rule.quant.format)!;
  const dtype = ({ e4m3: 'F8_E4M3', e5m2: 'F8_E5M2', e2m1: 'F4' } as Record<string, Tensor['dtype']>)[name]!;
  let lanes = Uint8Array.from(made.code);
  if (rule.turned) lanes = lanes.map((_, i, all) => all[(i % rows) * columns + Math.floor(i / rows)]!);
  if (rule.highFirst) lanes = lanes.map((_, i, all) => all[i ^ 1]!);
  const codes: Tensor = { dtype, shape: rule.turned ? [columns, rows] : [rows, columns], codes: lanes };
  return { codes, scales: scalesOf(made, rows, rule, kind) };
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** The scales as they lie in memory. */
function scalesOf(made: Matrix, rows: number, { layout, padding }: Rule, kind: Setting['kind']): Tensor {
  const { down, across, tile } = made;
  const byte = kind === 'packed' || kind === 'fp4';
  const stored = (tileAt: number): number =>
    byte ? bitsOf(made.scales[tileAt]!) >>> 23 : bitsOf(made.scales[tileAt]!);
  const filler = padding === 'zero' ? 0 : padding === 'one' ? (byte ? 127 : bitsOf(1)) : stored(down * across - 1);
  const at = (row: number, column: number): number =>
    row < down && column < across ? stored(row * across + column) : filler;
  const grid = (height: number, width: number, of: (i: number, j: number) => number): Tensor => {
    const values = Array.from({ length: height * width }, (_, i) => of(Math.floor(i / width), i % width));
    const codes: Codes = byte ? Uint8Array.from(values) : Uint32Array.from(values);
    return { dtype: byte ? 'F8_E8M0' : 'F32', shape: [height, width], codes };
  };
  const words = (height: number, width: number, of: (i: number, j: number, byte: number) => number): Tensor => {
    const codes = Uint32Array.from({ length: height * width }, (_, i) =>
      [0, 1, 2, 3].reduce((word, b) => (word | (of(Math.floor(i / width), i % width, b) << (8 * b))) >>> 0, 0),
    );
    return { dtype: 'I32', shape: [height, width], codes };
  };
  switch (layout) {
    case 'row-major':
      return grid(down, across, at);
    case 'mn-major':
      return grid(across, align(down, 4), (i, j) => at(j, i));
    case 'column-major':
      return grid(across, down, (i, j) => at(j, i));
    case 'broadcast':
      return grid(rows, across, (i, j) => at(Math.floor(i / tile[0]), j));
    case 'packed-e8m0':
      return words(Math.ceil(across / 4), align(down, 4), (i, j, b) => at(j, 4 * i + b));
    case 'packed-row-major':
      return words(down, Math.ceil(across / 4), (i, j, b) => at(i, 4 * j + b));
    default: {
      const [high, wide] = [align(down, 128), align(across, 4)];
      const values = new Array<number>(high * wide);
      for (let i = 0; i < high; i++)
        for (let j = 0; j < wide; j++) {
          const block = Math.floor(i / 128) * (wide / 4) + Math.floor(j / 4);
          values[block * 512 + (i % 32) * 16 + Math.floor((i % 128) / 32) * 4 + (j % 4)] = at(i, j);
        }
      return grid(high, wide, (i, j) => values[i * wide + j]!);
    }
  }
}

/** `wide` spreads tiles over many orders of magnitude, far below every floor. */
function data(random: Random, rows: number, columns: number, kind: Setting['data']): Float64Array {
  const large = Array.from({ length: columns }, () => random() < 0.03);
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    const size =
      kind === 'outliers' && large[i % columns]
        ? 64
        : kind === 'wide'
          ? row % 11 === 5
            ? 2 ** -60
            : 2 ** -(((row * 7 + Math.floor((i % columns) / 128) * 5) % 48) - 4)
          : 1;
    return f32Of((toBf16(Math.fround(size * normal(random))) << 16) >>> 0);
  });
}
