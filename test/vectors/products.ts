import { promote } from '../../src/kernels/gemm/reference.ts';
import type { Arithmetic, Combine, Promote, TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import { isInfCode, isNanCode } from '../../src/numerics/codec.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { type Format, type FormatName, formats } from '../../src/numerics/formats.ts';
import { alignedStep, blockSum, operandTable, stepIndices } from '../../src/numerics/tensor-core.ts';
import { edges } from '../numerics/operands.ts';
import { draw, hex32, hexCodes } from './words.ts';

const aligned = (
  name: string,
  fractionBits: number,
  terms: number,
  output: TensorCoreModel['output'],
  order: TensorCoreModel['order'] = 'linear',
): TensorCoreModel => ({ name, kind: 'aligned', fractionBits, terms, output, order });

const fp8: FormatName[] = ['e4m3', 'e5m2'];

/** Models as their parameters, with the formats they multiply. */
const subjects: readonly { model: TensorCoreModel; formats: readonly FormatName[] }[] = [
  { model: aligned('hopper-wgmma-fp8', 13, 32, 'e8m13'), formats: fp8 },
  { model: aligned('ada-mma-fp8', 13, 16, 'e8m13'), formats: fp8 },
  { model: aligned('blackwell-fp8', 25, 32, 'f32-rz'), formats: fp8 },
  { model: aligned('hopper-mma-sync-fp8-f16', 25, 16, 'f16-rne', 'p4'), formats: fp8 },
  { model: aligned('hopper-bf16', 25, 16, 'f32-rz'), formats: ['bf16', 'f16'] },
  { model: { ...aligned('exact', 0, 0, 'f32-rne'), kind: 'exact' }, formats: ['e4m3', 'e5m2', 'bf16'] },
  { model: { ...aligned('sequential', 0, 0, 'f32-rne'), kind: 'sequential' }, formats: ['e4m3', 'bf16'] },
];

/** How the codes of an operand are drawn from random words. */
type CodeDraw = (words: Uint32Array, format: Format) => number[];

const anyCode: CodeDraw = (words, format) => Array.from(words, (word) => word >>> (32 - format.bits));

/** Codes of any exponent, NaN and Inf cleared to a zero. */
const finiteCode: CodeDraw = (words, format) =>
  anyCode(words, format).map((code) => (isNanCode(code, format) || isInfCode(code, format) ? 0 : code));

/** Codes within four binades of one, as activations are. */
const nearOne: CodeDraw = (words, format) =>
  Array.from(words, (word) => {
    const field = format.bias - 2 + ((word >>> 24) % 4);
    const mantissa = word & (2 ** format.mantissaBits - 1);
    return ((word >>> 31) << (format.bits - 1)) | (field << format.mantissaBits) | mantissa;
  });

/** Subnormals and zeros. */
const subnormal: CodeDraw = (words, format) =>
  Array.from(words, (word) => ((word >>> 31) << (format.bits - 1)) | (word & (2 ** format.mantissaBits - 1)));

const draws: readonly CodeDraw[] = [nearOne, finiteCode, subnormal, nearOne, finiteCode, anyCode];

/** Single fused steps with an accumulator, and blocks from zero, of every model. */
export function tensorCoreVectors(): unknown {
  return subjects.flatMap(({ model, formats: names }, s) =>
    names.map((name, n) => {
      const seed = 1000 * (s + 1) + 100 * n;
      const steps =
        model.kind === 'aligned' && model.order === 'linear' ? { steps: stepVectors(model, name, seed) } : {};
      return { model, format: name, ...steps, blocks: blockVectors(model, name, seed + 50) };
    }),
  );
}

function stepVectors(model: TensorCoreModel, name: FormatName, seed: number): unknown[] {
  const format = formats[name];
  const table = operandTable(name);
  const accumulators = draw(seed, 24);
  const indices = stepIndices(model, model.terms)[0]!;
  return Array.from(accumulators, (word, i) => {
    const pick = draws[i % draws.length]!;
    const a = pick(draw(seed + 1 + i, model.terms), format);
    const b = pick(draw(seed + 30 + i, model.terms), format);
    const c = accumulatorBits(word, i);
    const left = { codes: a, offset: 0 };
    const right = { codes: b, offset: 0 };
    const d = bitsOf(alignedStep(model, table, table, left, right, indices, model.terms, fromBits(c)));
    return { a: hexCodes(a, format), b: hexCodes(b, format), c: hex32([c]), d: hex32([d]) };
  });
}

/** An accumulator within 2^16 of one, mostly; zero, an edge value or any word in between. */
function accumulatorBits(word: number, index: number): number {
  if (index % 8 === 5) return 0;
  if (index % 8 === 6) return edges[word % edges.length]!;
  if (index % 8 === 7) return word;
  return ((word & 0x807fffff) | ((111 + ((word >>> 23) % 32)) << 23)) >>> 0;
}

function blockVectors(model: TensorCoreModel, name: FormatName, seed: number): unknown[] {
  const format = formats[name];
  const sum = blockSum(model, name, name);
  return [1, 4, 16, 32, 33, 37, 64, 128, 128, 128, 128, 128].map((k, i) => {
    const pick = draws[i % draws.length]!;
    const a = pick(draw(seed + i, k), format);
    const b = pick(draw(seed + 20 + i, k), format);
    const d = bitsOf(sum({ codes: a, offset: 0 }, { codes: b, offset: 0 }, k));
    return { k, a: hexCodes(a, format), b: hexCodes(b, format), d: hex32([d]) };
  });
}

const combines: readonly Combine[] = ['scales-first', 'a-then-b', 'b-then-a'];
const promotes: readonly Promote[] = ['fused', 'unfused'];

/** How an accumulator, a partial sum and two scales meet. */
export function promotionVectors(): unknown {
  const count = 48;
  const words = draw(150, 4 * count);
  const column = (lane: number, lowest: number, binades: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const word = words[4 * i + lane]!;
      return ((word & 0x807fffff) | ((lowest + ((word >>> 23) % binades)) << 23)) >>> 0;
    });
  const accumulator = column(0, 115, 24);
  const partial = column(1, 120, 20);
  const a = column(2, 110, 16).map((bits) => bits & 0x7fffffff);
  const b = column(3, 110, 16).map((bits) => bits & 0x7fffffff);
  const result = (combine: Combine, mode: Promote): string => {
    const arithmetic: Arithmetic = { model: subjects[0]!.model, promoteEvery: 128, combine, promote: mode };
    const value = (i: number): number =>
      promote(arithmetic, fromBits(accumulator[i]!), fromBits(partial[i]!), fromBits(a[i]!), fromBits(b[i]!));
    return hex32(accumulator.map((_, i) => bitsOf(value(i))));
  };
  return {
    accumulator: hex32(accumulator),
    partial: hex32(partial),
    scaleA: hex32(a),
    scaleB: hex32(b),
    cases: combines.flatMap((combine) =>
      promotes.map((mode) => ({ combine, promote: mode, results: result(combine, mode) })),
    ),
  };
}
