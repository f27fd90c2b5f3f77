import { type Gpu, maxTexels } from '../../backends/webgpu/gpu.ts';
import { inputError } from '../../errors.ts';
import type { Arithmetic, Combine, StepOutput, TensorCoreModel } from '../../numerics/arithmetic.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import type { Constants } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { lackedBy } from '../variants.ts';
import type { ProductSpec } from './reference.ts';
import { fitsBf16, type GemmVariant, type KPerWord, paired, plain, quads, singleRows } from './variants.ts';

/** How k is cut: blocks between promotions, each of whole fused sums, padded with zeros. */
export interface BlockLayout {
  /** k of a block; the last may be shorter. */
  readonly block: number;
  /** Words of a block, and of a whole row. */
  readonly blockWords: number;
  readonly rowWords: number;
}

/** Shader and constants of the product. */
export interface ProductPlan {
  readonly shader: string;
  readonly constants: Constants;
  /** Operand words are f32 bits rather than decoded fields. */
  readonly asValues: boolean;
  /** Words an operand takes for each place of k: 2 where powers of two stand beside the values. */
  readonly operandWords: 1 | 2;
  /** Of those powers, each stands as the bit of its exponent, not as a value. */
  readonly powersAsBits?: boolean;
  /** Files included in place of others. */
  readonly substitutes?: Readonly<Record<string, string>>;
  /** Rows of an operand that a line of its texture holds; absent where operands lie in buffers. */
  readonly texelRows?: 1 | 4;
  readonly variant: GemmVariant;
}

const combines: readonly Combine[] = ['scales-first', 'a-then-b', 'b-then-a'];
const outputs: readonly StepOutput[] = ['e8m13', 'f32-rz', 'f32-rne', 'f16-rne'];

/** Products of one fused sum; models without fused sums take one at a time. */
const termsOf = (model: TensorCoreModel, tier: Tier): number =>
  tier === 'exact' && model.kind === 'aligned' ? model.terms : 1;

/** Layout of k under an arithmetic, with `kPerWord` values in a word. */
export function blockLayout(arithmetic: Arithmetic, k: number, tier: Tier, kPerWord: KPerWord = 1): BlockLayout {
  const block = arithmetic.promoteEvery === 0 ? k : Math.min(arithmetic.promoteEvery, k);
  const words = (count: number): number => Math.ceil(wordsOf(arithmetic.model, count, tier) / kPerWord);
  const whole = Math.floor(k / block);
  return { block, blockWords: words(block), rowWords: whole * words(block) + words(k - whole * block) };
}

/** Words of a block of `count` k: no sum is empty, for an empty one would round the accumulator once more. */
function wordsOf(model: TensorCoreModel, count: number, tier: Tier): number {
  const terms = termsOf(model, tier);
  if (terms === 1 || model.order === 'linear') return Math.ceil(count / terms) * terms;
  const rest = count % (2 * terms);
  const sums = 2 * Math.floor(count / (2 * terms)) + (rest === 0 ? 0 : rest > 2 ? 2 : 1);
  return sums * terms;
}

/** Words of k that one dispatch sums. */
export interface WordSpan {
  readonly start: number;
  readonly end: number;
}

/** Loop turns that a thread takes in a dispatch: lavapipe leaves a shader's loops after 65535 in all, without a word. */
const mostTurns = 40_000;

/** lavapipe's bound itself: a block of the exact model, which cannot be cut, must stay below it. */
const loopLimit = 65_535;

function refuseBlock(block: number): never {
  throw inputError(
    `a block of ${block} k of the exact model takes more loop turns than every adapter makes (${loopLimit})`,
    'block-too-long',
    'arithmetic.promoteEvery',
    'promote more often, say every 128, or run it on the reference or native:host',
  );
}

/**
 * Cuts k over dispatches. Spans end at blocks where one fits; longer blocks are cut between fused sums and go on in the next dispatch, but
 * those of the exact model, whose accumulator lives in one dispatch. Throws `block-too-long` where such a block is past any adapter's count of turns.
 */
export function wordSpans(
  arithmetic: Arithmetic,
  layout: BlockLayout,
  plan: ProductPlan,
  tier: Tier,
): readonly WordSpan[] {
  const { model } = arithmetic;
  const { blockWords, rowWords } = layout;
  const turns = turnsPerBlock(model, blockWords, plan, tier);
  const uncut = tier === 'exact' && model.kind === 'exact';
  if (uncut && turns > loopLimit) refuseBlock(layout.block);
  const blocks = Math.floor(mostTurns / turns);
  const sumWords = Math.max(termsOf(model, tier) / plan.variant.kPerWord, 1);
  const sums = Math.max(Math.floor(((mostTurns / turns) * blockWords) / sumWords), 1) * sumWords;
  const span = blocks >= 1 || uncut ? Math.max(blocks, 1) * blockWords : sums;
  const spans: WordSpan[] = [];
  for (let start = 0; start < rowWords; start += span) spans.push({ start, end: Math.min(start + span, rowWords) });
  return spans;
}

/** Loop turns of a block, from above: its words, as often as they are passed over (for specials too), and the promotion of its sums. */
function turnsPerBlock(model: TensorCoreModel, words: number, { constants, variant }: ProductPlan, tier: Tier): number {
  const promotion = 24;
  // All that a line of texels holds is one dispatch: its kernels do not go on with another's sums.
  if (variant.kPerWord === 8) return words + 2;
  if (tier === 'fast') return 4 * words + promotion;
  if (model.kind === 'aligned') return 7 * words + promotion;
  if (model.kind === 'sequential') return 5 * words + promotion;
  // Carries and the rounding of four sums go through all digits.
  return 2 * words + (constants.DIGITS ?? 0) * (16 + words / 256) + promotion;
}

/** Constants of the packing shader. */
export function packConstants(model: TensorCoreModel, plan: ProductPlan): Constants {
  const paired = !plan.asValues && model.kind === 'aligned' && model.order === 'p4';
  return {
    AS_VALUES: plan.asValues ? 1 : 0,
    K_PER_WORD: plan.variant.kPerWord,
    WITH_POWERS: plan.operandWords === 2 ? 1 : 0,
    POWERS_AS_BITS: plan.powersAsBits ? 1 : 0,
    PAIRED: paired ? 1 : 0,
    TERMS: paired ? model.terms : 1,
  };
}

/** How the exact tier's threads work at a spec's product, by what the device has. */
export function exactVariant({ a, b, arithmetic: { model } }: ProductSpec, gpu: Pick<Gpu, 'has'>): GemmVariant {
  const formats = [a.scheme.format, b.scheme.format] as const;
  if (model.kind !== 'aligned' || !isExactInFloats(model, ...formats)) return singleRows;
  const alone = inFloats(model, ...formats);
  return alone === paired && lackedBy(gpu, quads).length === 0 ? quads : alone;
}

/** Two k a word where bf16 holds the formats and no sum ends within a word. */
export function inFloats({ terms }: TensorCoreModel, ...formats: readonly FormatName[]): GemmVariant {
  return terms % 2 === 0 && formats.every(fitsBf16) ? paired : plain;
}

/** Which shader sums a spec's blocks, with what constants, and whether it reads textures: those that can do, where a row fits one. */
export function productPlan(spec: ProductSpec, layout: BlockLayout, tier: Tier, variant: GemmVariant): ProductPlan {
  const plan = shaderPlan(spec, layout, tier, variant);
  const constants = { ...plan.constants, OPERAND_WORDS: plan.operandWords };
  const { texelRows } = variant;
  const inTexels = texelRows !== undefined && plan.operandWords * layout.rowWords <= maxTexels;
  const substitutes = {
    ...variant.substitutes,
    ...plan.substitutes,
    ...(inTexels && { 'kernels/gemm_operand_words': 'kernels/gemm_operand_texels' }),
  };
  return { ...plan, constants, substitutes, ...(inTexels && { texelRows }) };
}

function shaderPlan(spec: ProductSpec, layout: BlockLayout, tier: Tier, variant: GemmVariant): ProductPlan {
  const { model } = spec.arithmetic;
  if (tier === 'fast') return fastPlan(spec, variant);
  if (model.kind === 'sequential') return { ...valuesPlan('kernels/gemm_sequential'), variant };
  if (model.kind === 'aligned') return alignedPlan(spec, variant);
  const constants = {
    ...mantissaConstants(spec),
    ...accumulatorConstants(spec.a.scheme.format, spec.b.scheme.format, layout.block),
  };
  return { shader: 'kernels/gemm_exact', constants, asValues: false, operandWords: 1, variant };
}

function fastPlan(spec: ProductSpec, variant: GemmVariant): ProductPlan {
  const { rowGroups, columnGroups, panel } = variant;
  const blocks = { ROW_GROUPS: rowGroups, OWN_GROUPS: rowGroups / 4, COLUMN_GROUPS: columnGroups, PANEL: panel };
  const plan = valuesPlan(variant.shader);
  const codes = { A_E5M2: isE5m2(spec.a), B_E5M2: isE5m2(spec.b) };
  return {
    ...plan,
    variant,
    constants: { ...plan.constants, ...(variant === plain ? {} : blocks), ...(variant.kPerWord === 4 && codes) },
  };
}

const isE5m2 = ({ scheme }: ProductSpec['a']): number => (scheme.format === 'e5m2' ? 1 : 0);

const valuesPlan = (shader: string): ProductPlan => ({
  shader,
  constants: {},
  asValues: true,
  operandWords: 1,
  variant: plain,
});

/** What the shaders read of an arithmetic at run time: each value of its own would be a kernel of its own to compile. */
export function arithmeticUniforms(spec: ProductSpec): readonly number[] {
  const { combine, promote, model } = spec.arithmetic;
  const kept = model.output === 'e8m13' ? 0xfffffc00 : 0xffffffff;
  const rule = [combines.indexOf(combine), promote === 'fused' ? 1 : 0];
  const least = 2 - formats[spec.a.scheme.format].bias - formats[spec.b.scheme.format].bias;
  return [...rule, model.fractionBits, model.terms, kept, placesUp(spec) >>> 0, (least << 23) >>> 0];
}

/** Places that a product's significand goes up to have the model's fraction bits. */
const placesUp = ({ a, b, arithmetic: { model } }: ProductSpec): number =>
  model.fractionBits - formats[a.scheme.format].mantissaBits - formats[b.scheme.format].mantissaBits;

function modelConstants(spec: ProductSpec): Constants {
  const { fractionBits, output } = spec.arithmetic.model;
  return { SHORT_TERMS: fractionBits <= 29 && placesUp(spec) >= 0 ? 1 : 0, STEP_OUTPUT: outputs.indexOf(output) };
}

const mantissaConstants = ({ a, b }: ProductSpec): Constants => ({
  A_MANTISSA_BITS: formats[a.scheme.format].mantissaBits,
  B_MANTISSA_BITS: formats[b.scheme.format].mantissaBits,
});

/** An aligned model in exact floating point, or in integers, a row at a time. */
export function alignedPlan(spec: ProductSpec, variant: GemmVariant): ProductPlan {
  const inFloats = variant !== singleRows;
  const powersAsBits = inFloats && variant.kPerWord === 2 && [spec.a, spec.b].every(hasFewExponents);
  return {
    shader: inFloats ? 'kernels/gemm_aligned_float' : 'kernels/gemm_aligned',
    constants: inFloats ? { K_PER_WORD: variant.kPerWord, NEIGHBOURS: variant.rowGroups } : modelConstants(spec),
    asValues: false,
    operandWords: inFloats ? 2 : 1,
    powersAsBits,
    ...(powersAsBits && { substitutes: { 'kernels/gemm_top_power': 'kernels/gemm_top_bit' } }),
    variant,
  };
}

/** Whether the bit of an exponent fits half a word, with room for a mark of what is NaN, and so that two exponents add up to a bit of one. */
const hasFewExponents = ({ scheme: { format } }: ProductSpec['a']): boolean => formats[format].exponentBits <= 4;

/**
 * Whether every step of an aligned sum is exact in f32, which WGSL then promises to compute exactly: products of 24 bits at most, exponents that
 * never leave f32's range, and sums below 2^24 units of the last kept bit (a product is below 4, the accumulator below 2).
 */
function isExactInFloats({ fractionBits, terms, output }: TensorCoreModel, a: FormatName, b: FormatName): boolean {
  const [x, y] = [formats[a], formats[b]];
  const products = x.mantissaBits + y.mantissaBits + 2 <= 24 && x.exponentBits <= 5 && y.exponentBits <= 5;
  return products && output !== 'f16-rne' && 2 ** (fractionBits + 2) * (terms + 1) <= 2 ** 24;
}

/** Digits of 16 bits of the exact accumulator, one of them for the sign, and the weight of its last bit. */
function accumulatorConstants(a: FormatName, b: FormatName, block: number): Constants {
  const [left, right] = [window(a), window(b)];
  const bits = left.high + right.high - left.low - right.low + Math.ceil(Math.log2(block + 1)) + 1;
  return { DIGITS: Math.max(Math.ceil(bits / 16) + 1, 3), LAST_WEIGHT: left.low + right.low };
}

/** Every finite value of a format is a multiple of 2^low below 2^high. */
function window(name: FormatName): { low: number; high: number } {
  const { bias, mantissaBits, max } = formats[name];
  return { low: 1 - bias - mantissaBits, high: Math.floor(Math.log2(max)) + 1 };
}
