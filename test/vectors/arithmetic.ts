import type { FormatName } from '../../src/numerics/formats.ts';
import { formats } from '../../src/numerics/formats.ts';
import { philox4x32, philoxWord } from '../../src/numerics/philox.ts';
import { softAdd, softDiv, softFma, softMul } from '../../src/numerics/soft-float.ts';
import type { GeneratedInput, GeneratorName } from '../../src/specs/types.ts';
import { generate } from '../../src/tensors/generate.ts';
import { dtypeOfFormat } from '../../src/tensors/tensor.ts';
import { edges, nudge } from '../numerics/operands.ts';
import { draw, hex32, hexCodes, spread } from './words.ts';

/** fl(a op b) and fma on f32 bits: edges in all pairs, random words, and near-cancellations. */
export function floatVectors(): unknown {
  const some = spread(edges, 20);
  const pairs = [...some.flatMap((a) => some.map((b) => [a, b])), ...randomPairs(200)];
  const a = pairs.map((pair) => pair[0]!);
  const b = pairs.map((pair) => pair[1]!);
  const c = addends(a, b);
  const binary = (operation: (x: number, y: number) => number): string => hex32(a.map((x, i) => operation(x, b[i]!)));
  return {
    a: hex32(a),
    b: hex32(b),
    c: hex32(c),
    add: binary(softAdd),
    mul: binary(softMul),
    div: binary(softDiv),
    fma: hex32(a.map((x, i) => softFma(x, b[i]!, c[i]!))),
  };
}

function randomPairs(count: number): number[][] {
  const words = draw(110, 2 * count);
  return Array.from({ length: count }, (_, i) => {
    const a = words[2 * i]!;
    const word = words[2 * i + 1]!;
    // Every other second operand lies within 2^24 codes of the first, of either sign: sums cancel there.
    return [a, i % 2 === 0 ? word : (nudge(a, (word % 2 ** 25) - 2 ** 24) ^ (word & 0x80000000)) >>> 0];
  });
}

/** Addends of the fma: in turn an edge, the product negated and moved by a few codes, and a random word. */
function addends(a: readonly number[], b: readonly number[]): number[] {
  const words = draw(111, a.length);
  return a.map((x, i) => {
    if (i % 3 === 0) return edges[words[i]! % edges.length]!;
    if (i % 3 === 1) return (nudge(softMul(x, b[i]!), (words[i]! % 7) - 3) ^ 0x80000000) >>> 0;
    return words[i]!;
  });
}

/** Blocks by key and counter, and words by seed, stream and element. */
export function philoxVectors(): unknown {
  const words = draw(120, 6 * 16);
  const blocks = [
    [0, 0, 0, 0, 0, 0],
    Array<number>(6).fill(0xffffffff),
    [0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    ...Array.from({ length: 16 }, (_, i) => [...words.subarray(6 * i, 6 * i + 6)]),
  ] as [number, number, number, number, number, number][];
  const elements = [0, 1, 2, 3, 4, 5, 1023, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 34 - 1];
  return {
    blocks: blocks.map((input) => ({
      key: hex32(input.slice(0, 2)),
      counter: hex32(input.slice(2)),
      words: hex32(philox4x32(...input)),
    })),
    elements: [0, 1, 0xdeadbeef].flatMap((seed) =>
      [0, 1, 8].map((stream) => ({
        seed,
        stream,
        elements,
        words: hex32(elements.map((element) => philoxWord(seed, element, stream))),
      })),
    ),
  };
}

const generators: readonly GeneratorName[] = [
  'uniform',
  'positive',
  'normal',
  'outlier-channels',
  'outlier-tokens',
  'near-ties',
  'bits',
  'zero',
  'saturating',
  'subnormal',
];

/** Small generated inputs: every generator in every dtype it gives, with and without an exponent. */
export function inputVectors(): unknown {
  const dtypes: FormatName[] = ['bf16', 'f16', 'f32'];
  const plain = generators.flatMap((name) => dtypes.map((dtype) => inputOf(name, dtype, 0)));
  const moved = generators.slice(0, 6).flatMap((name) => dtypes.map((dtype) => inputOf(name, dtype, -20)));
  const codes = (['e4m3', 'e5m2', 'e8m0', 'e2m1'] as const).map((dtype) => inputOf('bits', dtype, 0));
  const shape = [5, 7];
  return [...plain, ...moved, ...codes].map((input) => {
    const tensor = generate(input, shape);
    return { input, shape, dtype: dtypeOfFormat[input.dtype], codes: hexCodes(tensor.codes, formats[input.dtype]) };
  });
}

function inputOf(name: GeneratorName, dtype: FormatName, exponent: number): GeneratedInput {
  return { generate: name, seed: 2024, dtype, exponent, share: 0.25, factorExponent: 6 };
}
