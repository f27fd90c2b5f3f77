import { encodeBits } from '../../numerics/codec.ts';
import { bitsOf } from '../../numerics/f32.ts';
import { formats, type Rounding } from '../../numerics/formats.ts';
import type { DequantizeSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { along, type Convention, type Deviation, type Problem } from '../convention.ts';
import { splitAxis, titles, wordsOf } from '../gemm/axes.ts';
import { valueWords } from '../gemm/describe.ts';
import { OperandReader, scalePlaces } from '../gemm/operand.ts';
import { roundTo } from '../gemm/sums.ts';
import { quantizerRule, rulesFor } from '../quantizers.ts';
import { distanceOf, widthOf } from '../score.ts';
import { amaxRules } from '../tile-quantizer.ts';

/** Roundings of an output in high precision. */
export const outputs = [
  'nearest-even',
  'toward-zero',
  'nearest-away',
  'saturate',
  'via-bf16',
  'via-f16',
  'toward-positive',
  'toward-negative',
  'to-odd',
];
const confirmElements = 2 ** 20;

/** A dequantization with somebody's x, ready to be searched. */
export function dequantizeProblem(spec: DequantizeSpec, inputs: Tensors, x: Tensor): Problem {
  const { rows, columns } = spec.shape;
  const reader = new OperandReader('x', spec.x, inputs, rows, columns);
  const { scheme } = spec.x;
  const base: Convention = {
    'x.form': 'quantized',
    'x.format': scheme.format,
    'x.tile': scheme.tile.join('x'),
    'x.recipe': scheme.scale.recipe,
    'x.floor': String(scheme.scale.amaxFloor),
    'x.amax': 'magnitude',
    'x.rounding': scheme.rounding,
    'x.overflow': scheme.overflow,
    'x.factor': 'own',
    'x.scale': 'own',
    'x.memory': 'own',
    'x.decode': 'own',
    scaling: 'multiplied',
    output: 'nearest-even',
    blank: 'nothing',
  };
  const quantizing =
    reader.grids === undefined
      ? []
      : [
          rulesFor('f32', scheme.format).map(({ name, floor }) => ({ 'x.recipe': name, 'x.floor': String(floor) })),
          along('x.tile', ['1x128', '128x128', '128x1', '1x64', '1x32', '1x16', '1x0', '0x0']),
          along('x.amax', Object.keys(amaxRules)),
        ];
  return {
    spec: base,
    starts: [],
    tiers: [
      [
        [
          ...along('x.scale', [...Object.keys(scalePlaces), 'one', 'inverse', 'squared']),
          ...along('x.memory', ['own', 'codes-transposed']),
          ...along('x.decode', ['own', 'unsigned', 'subnormals-normal', 'subnormals-zero', 'no-specials']),
          ...along('scaling', ['multiplied', 'bf16']),
          ...along('blank', ['nothing', 'all', 'last-row', 'last-element']),
        ],
        along('output', outputs),
        ...quantizing,
      ],
    ],
    parts: [
      { name: 'x', start: 0, shape: x.shape, actual: x.codes, distance: distanceOf(x.dtype), bits: widthOf(x.dtype) },
    ],
    count: rows * columns,
    ...samplesOf(rows, columns),
    canonical: (convention) => convention,
    predict: (convention, elements) => predict(spec, reader, convention, elements),
    describe: (convention) => describe(base, convention),
  };
}

/** Elements of a matrix that is rounded element by element. */
export function samplesOf(rows: number, columns: number): Pick<Problem, 'sets' | 'confirmed'> {
  const of = (wanted: number): Int32Array => spread(rows, columns, wanted);
  return { sets: [of(16), of(48), of(160), of(512)], confirmed: of(confirmElements) };
}

/** Whole rows while they number about `wanted` elements; a few columns of each where rows are long. */
function spread(rows: number, columns: number, wanted: number): Int32Array {
  const total = rows * columns;
  if (total <= wanted) return Int32Array.from({ length: total }, (_, i) => i);
  const some = Math.max(Math.min(rows, 16), Math.floor(wanted / columns));
  const places = Math.min(columns, Math.ceil(wanted / some));
  return Int32Array.from({ length: some * places }, (_, i) => {
    const row = Math.floor((Math.floor(i / places) * rows) / some);
    return (
      row * columns +
      Math.floor(((i % places) * columns) / places + ((i * 7) % Math.max(Math.floor(columns / places), 1)))
    );
  }).sort();
}

function predict(
  spec: DequantizeSpec,
  reader: OperandReader,
  convention: Convention,
  elements: Int32Array,
): Uint32Array {
  const { rows, columns } = spec.shape;
  const wanted = Int32Array.from(new Set(elements.map((i) => Math.floor(i / columns)))).sort();
  const place = new Map(Array.from(wanted, (row, i) => [row, i]));
  const read = reader.read(convention, wanted);
  const encode = encoderOf(convention, spec.output);
  const codes = new Uint32Array(elements.length);
  for (let i = 0; i < elements.length; i++) {
    const row = place.get(Math.floor(elements[i]! / columns))!;
    const column = elements[i]! % columns;
    const factor = read.factor[row * read.tiles + Math.floor(column / read.tile)]!;
    const value = Math.fround(read.value[row * columns + column]! * factor);
    codes[i] = isBlank(convention.blank!, elements[i]!, rows, columns)
      ? 0
      : encode(
          convention.scaling === 'bf16'
            ? Math.fround(read.value[row * columns + column]! * roundTo(factor, 'bf16'))
            : value,
        );
  }
  return codes;
}

function isBlank(blank: string, element: number, rows: number, columns: number): boolean {
  if (blank === 'all') return true;
  if (blank === 'last-row') return element >= (rows - 1) * columns;
  return blank === 'last-element' && element === rows * columns - 1;
}

/** Encodes a value as a convention's output does. */
export function encoderOf({ output: rule }: Convention, output: DequantizeSpec['output']): (x: number) => number {
  const format = formats[output];
  if (rule!.startsWith('via-')) {
    const through = rule!.slice(4) as 'bf16' | 'f16';
    return (x) => encodeBits(bitsOf(roundTo(x, through)), format, 'nearest-even', 'ieee');
  }
  if (rule === 'saturate') return (x) => encodeBits(bitsOf(x), format, 'nearest-even', 'saturate');
  return (x) => encodeBits(bitsOf(x), format, rule as Rounding, 'ieee');
}

const own: Readonly<Record<string, readonly [title: string, words: Readonly<Record<string, string>>]>> = {
  scaling: ['scale', { multiplied: 'as stored', bf16: 'rounded to bf16 first' }],
  blank: [
    'result',
    { nothing: 'whole', all: 'all zeros', 'last-row': 'last row zero', 'last-element': 'last element zero' },
  ],
};

function describe(spec: Convention, convention: Convention): Deviation[] {
  return Object.keys(spec)
    .filter((axis) => convention[axis] !== spec[axis])
    .map((axis) => {
      const { kind } = splitAxis(axis);
      const tell = (value: string): string =>
        own[axis]?.[1][value] ?? (kind === axis ? wordsOf(axis, value) : valueWords(axis, value));
      const value = convention[axis]!;
      const cost = kind === 'recipe' ? quantizerRule(value).cost : kind === 'output' ? 1 : 2;
      return {
        axis,
        axes: [axis],
        title: own[axis]?.[0] ?? titles[kind] ?? kind,
        value,
        words: tell(value),
        spec: tell(spec[axis]!),
        cost,
      };
    });
}
