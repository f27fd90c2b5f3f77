import { dtypeOfFormat } from '../../../src/tensors/tensor.ts';
import { dequantizeSpec, schemeOf } from '../../helpers/specs.ts';
import { type BlindCase, type Change, drawChanges, shown } from './draw.ts';
import { bf16, bitsOf, decode, e4m3, f16, f16Bits, f32Of, toBf16, type WideWay } from './numbers.ts';
import { normal, pick, randomOf } from './random.ts';

/** A whole dequantization, as one kernel does it. */
interface Rule {
  readonly scale:
    | 'own'
    | 'next-block-clamped'
    | 'previous-block-clamped'
    | 'first-block'
    | 'one'
    | 'inverse'
    | 'transposed';
  readonly scaling: 'multiplied' | 'bf16';
  readonly way: WideWay | 'via-bf16' | 'via-f16';
  readonly turned: boolean;
  readonly unsigned: boolean;
}

const along = <K extends keyof Rule>(kind: K, values: readonly Rule[K][], axis: string, names?: readonly string[]) =>
  values.map(
    (value, i): Change<Rule> => ({
      kind,
      name: `${kind} ${value}`,
      apply: (rule) => ({ ...rule, [kind]: value }),
      expect: { [axis]: names?.[i] ?? String(value) },
    }),
  );

const changes: readonly Change<Rule>[] = [
  ...along(
    'scale',
    ['next-block-clamped', 'previous-block-clamped', 'first-block', 'one', 'inverse', 'transposed'],
    'x.scale',
  ),
  ...along('scaling', ['bf16'], 'scaling'),
  ...along('way', ['zero', 'away', 'up', 'down', 'odd', 'via-bf16', 'via-f16'], 'output', [
    'toward-zero',
    'nearest-away',
    'toward-positive',
    'toward-negative',
    'to-odd',
    'via-bf16',
    'via-f16',
  ]),
  ...along('turned', [true], 'x.memory', ['codes-transposed']),
  ...along('unsigned', [true], 'x.decode', ['unsigned']),
];

/** Draws case `seed` of a dequantization of 64 x 512 codes with given scales. Undefined where no change shows in the result. */
export function dequantizeCase(seed: number, rows = 64, columns = 512): BlindCase | undefined {
  const random = randomOf(seed);
  const output = pick(random, ['bf16', 'f16', 'f32'] as const);
  const tile = pick(random, [
    [1, 128],
    [32, 64],
  ] as const);
  const [down, across] = [Math.ceil(rows / tile[0]), Math.ceil(columns / tile[1])];
  const codes = Uint8Array.from({ length: rows * columns }, () => {
    const code = Math.floor(random() * 256);
    return (code & 0x7f) === 0x7f ? code ^ 1 : code;
  });
  const scales = Float32Array.from({ length: down * across }, () => Math.abs(normal(random)) / 64 + 1 / 512);
  const own: Rule = { scale: 'own', scaling: 'multiplied', way: 'even', turned: false, unsigned: false };
  const result = (rule: Rule): Uint32Array =>
    Uint32Array.from(codes, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const code = codes[rule.turned ? column * rows + row : i]!;
      const value = decode(rule.unsigned ? code & 0x7f : code, e4m3, 0x80);
      const scale = scaleOf(scales, Math.floor(row / tile[0]), Math.floor(column / tile[1]), down, across, rule);
      return store(Math.fround(value * scale), rule.way, output);
    });
  const drawn = drawChanges(random, changes, { scaling: ['scale'] });
  const kept = shown(drawn, own, (rule) => result(rule).join());
  if (kept.length === 0) return undefined;
  const x = result(kept.reduce((rule, { apply }) => apply(rule), own));
  return {
    name: `dequantize ${seed}: ${output} ${tile.join('x')}: ${drawn.map((it) => `${it.name}${kept.includes(it) ? '' : ' (does not show)'}`).join(' + ')}`,
    spec: dequantizeSpec(rows, columns, schemeOf({ recipe: 'divide', tile: [...tile] }), output),
    inputs: {
      codes: { dtype: 'F8_E4M3', shape: [rows, columns], codes },
      scales: { dtype: 'F32', shape: [down, across], codes: new Uint32Array(scales.buffer) },
    },
    actual: {
      x: { dtype: dtypeOfFormat[output], shape: [rows, columns], codes: output === 'f32' ? x : Uint16Array.from(x) },
    },
    expect: kept.map(({ expect }) => expect),
  };
}

function scaleOf(
  scales: Float32Array,
  row: number,
  column: number,
  down: number,
  across: number,
  { scale, scaling }: Rule,
): number {
  if (scale === 'one') return 1;
  const places: Readonly<Record<string, number>> = {
    'next-block-clamped': row * across + Math.min(column + 1, across - 1),
    'previous-block-clamped': row * across + Math.max(column - 1, 0),
    'first-block': row * across,
    transposed: column * down + row,
  };
  const value = scales[places[scale] ?? row * across + column]!;
  if (scale === 'inverse') return Math.fround(1 / value);
  return scaling === 'bf16' ? bf16(value) : value;
}

function store(x: number, way: Rule['way'], output: 'bf16' | 'f16' | 'f32'): number {
  const through = way === 'via-bf16' ? bf16(x) : way === 'via-f16' ? f16(x) : x;
  const rest: WideWay = way === 'via-bf16' || way === 'via-f16' ? 'even' : way;
  if (output === 'f32') return bitsOf(through);
  return output === 'f16' ? f16Bits(through, rest) : toBf16(f32Of(bitsOf(through)), rest);
}
