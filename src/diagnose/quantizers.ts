import { encodeBits } from '../numerics/codec.ts';
import { decodeBits } from '../numerics/decode-bits.ts';
import { bitsOf, divBits, fromBits, INF_BITS, mulBits, NAN_BITS } from '../numerics/f32.ts';
import { type Format, formats } from '../numerics/formats.ts';
import { type Factor, powerOfTwoRecipes, scaleBits, tileScale } from '../numerics/scale.ts';
import { type ScaleRecipe, type ScaleType, type Scheme, scaleRecipes } from '../numerics/scheme.ts';
import { defaultAmaxFloor } from '../specs/presets.ts';

/** What a tile's amax leads to: the scale as stored, what it dequantizes with, and what the values take. */
export interface TileOutcome {
  readonly stored: number;
  /** f32 bits. */
  readonly dequant: number;
  readonly factor: Factor;
  /** Values are rounded to this format after the factor and before they are encoded. */
  readonly through?: 'bf16' | 'f16';
}

/** A rule for scales that somebody uses, or falls into. */
export interface QuantizerRule {
  readonly name: string;
  readonly words: string;
  /** 1 for rules of published kernels, more for slips. */
  readonly cost: number;
  readonly powerOfTwo: boolean;
  /** The floor that the rule's own project gives the amax. */
  readonly floor: number;
  outcome(amax: number, scheme: Scheme, tensorScale: number | undefined): TileOutcome;
}

const one = 0x3f800000;

const recipeWords: Readonly<Record<ScaleRecipe, string>> = {
  divide: 'scale amax/max, x / scale (DeepSeek-V3 Triton, vLLM)',
  reciprocal: 'scale amax/max, x * (1/scale) (DeepGEMM utilities on a CPU)',
  inverse: 'scale amax/max, x * (max/amax) (TileKernels)',
  deepep: 'scale amax * (1/max), x * (max/amax) (DeepEP, SGLang)',
  v32: 'scale amax * (1/max), x / scale (DeepSeek-V3.2 TileLang)',
  te: 'x * (max/amax), stored 1 / (max/amax) (TransformerEngine)',
  torchao: 'x * (max/amax), stored 1 / (max/amax), amax floored at 1e-12 (torchao)',
  pow2: 'power-of-two scale, rounded up (UE8M0, DeepSeek-V3.1)',
  'mx-floor': 'MX scale, floor(log2 amax) - emax (OCP MX)',
  'mx-ceil': 'MX scale, ceil(log2 amax) - emax',
  'mx-even': 'MX scale, amax rounded to the element format first (AMD Quark, torchao EVEN)',
  'mx-rceil': 'MX scale, amax/max rounded up (cuBLAS, TransformerEngine MXFP8)',
  nvfp4: 'NVFP4: e4m3 block scale under a tensor scale',
  unit: 'no scale: values cast as they are, scale 1',
};

function recipeRule(recipe: ScaleRecipe): QuantizerRule {
  return {
    name: recipe,
    words: recipeWords[recipe],
    // Where two rules agree on the data, the more usual one is named first.
    cost: recipe === 'unit' ? 2 : recipe === 'torchao' ? 1.1 : 1,
    powerOfTwo: powerOfTwoRecipes.has(recipe),
    floor: defaultAmaxFloor[recipe],
    outcome: (amax, scheme, tensorScale) => {
      const own = { ...scheme, scale: { ...scheme.scale, recipe } };
      const { stored, factor } = tileScale(amax, own, tensorScale);
      return { stored, dequant: scaleBits(stored, own, tensorScale), factor };
    },
  };
}

type Extra = readonly [name: string, words: string, cost: number, outcome: (amax: number, max: number) => TileOutcome];

const dividing = (bits: number): Factor => ({ kind: 'divide', bits });
const multiplying = (bits: number): Factor => ({ kind: 'multiply', bits });
const plain = (stored: number, factor: Factor, dequant = stored): TileOutcome => ({ stored, dequant, factor });

/** f32 bits rounded to a format and back. */
export const roundTo = (bits: number, format: Format): number =>
  decodeBits(encodeBits(bits, format, 'nearest-even', 'ieee'), format);

/** The power of two next to a positive f32, as f32 bits. */
const powerOf = {
  up: (bits: number): number => (bits & 0x7fffff ? ((bits >>> 23) + 1) << 23 : bits) >>> 0,
  down: (bits: number): number => (bits & 0x7f800000) >>> 0,
  // Halfway on the logarithmic scale is the square root of two.
  nearest: (bits: number): number => ((bits & 0x7f800000) + ((bits & 0x7fffff) > 0x3504f3 ? 0x800000 : 0)) >>> 0,
  above: (bits: number): number => ((bits & 0x7f800000) + 0x800000) >>> 0,
};

/** What a kernel may make of a scale after it was used: f32 bits to f32 bits. */
export const scaleConversions: Readonly<Record<string, (bits: number) => number>> = {
  bf16: (bits) => roundTo(bits, formats.bf16),
  f16: (bits) => roundTo(bits, formats.f16),
  'pow2-up': powerOf.up,
  'pow2-down': powerOf.down,
  'pow2-nearest': powerOf.nearest,
};

/** Rules that are a plain one with its scale converted after use. */
export const convertedRules: Readonly<Record<string, { readonly recipe: string; readonly scale: string }>> = {
  'bf16-scale-after': { recipe: 'divide', scale: 'bf16' },
  'f16-scale-after': { recipe: 'divide', scale: 'f16' },
  'divide-then-pow2-up': { recipe: 'divide', scale: 'pow2-up' },
  'divide-then-pow2-down': { recipe: 'divide', scale: 'pow2-down' },
  'divide-then-pow2-nearest': { recipe: 'divide', scale: 'pow2-nearest' },
  'multiply-then-pow2-up': { recipe: 'inverse', scale: 'pow2-up' },
  'multiply-then-pow2-down': { recipe: 'inverse', scale: 'pow2-down' },
  'multiply-then-pow2-nearest': { recipe: 'inverse', scale: 'pow2-nearest' },
};

const shifting = (scale: number): Factor => ({ kind: 'shift', exponent: 127 - (scale >>> 23) });
const powerScale = (scale: number): TileOutcome => plain(scale, shifting(scale));

/** Scales of accelerators that stop short of the format's largest value: 240 on Gaudi and with FNUZ, 224 in vLLM on MI300. */
const shorterRules = ([240, 224] as const).flatMap((largest): Extra[] => [
  [
    `divide-${largest}`,
    `scale amax/${largest}, x / scale`,
    1.5,
    (amax) => plain(divBits(amax, bitsOf(largest)), dividing(divBits(amax, bitsOf(largest)))),
  ],
  [
    `inverse-${largest}`,
    `scale amax/${largest}, x * (${largest}/amax)`,
    1.5,
    (amax) => plain(divBits(amax, bitsOf(largest)), multiplying(divBits(bitsOf(largest), amax))),
  ],
]);

/** Scales from elsewhere, read from the result itself: what is explained is how codes were made with them. */
const givenRules: readonly Extra[] = [
  [
    'given-divide',
    'scales from elsewhere (static, or delayed scaling), x / scale',
    4,
    (scale) => plain(scale, dividing(scale)),
  ],
  [
    'given-multiply',
    'scales from elsewhere (static, or delayed scaling), x * (1/scale)',
    4,
    (scale) => plain(scale, multiplying(divBits(one, scale))),
  ],
  // The multiplier was not stored, only its rounded inverse: it may lie a step beside the inverse of that.
  ...([1, -1] as const).map(
    (step): Extra => [
      `given-multiply-${step === 1 ? 'above' : 'below'}`,
      'multipliers from elsewhere (delayed scaling), their inverse stored, x * multiplier',
      4.1,
      (scale) => plain(scale, multiplying(divBits(one, scale) + step)),
    ],
  ),
  [
    'given-inverse',
    'the multiplier from elsewhere stored in place of the scale, x * it',
    4.5,
    (scale) => plain(scale, multiplying(scale)),
  ],
];

/** Names of the rules that take scales as they are. */
export const givenRuleNames: readonly string[] = givenRules.map(([name]) => name);

const extras: readonly Extra[] = [
  ...shorterRules,
  ...givenRules,
  [
    'reciprocal-gpu',
    'scale amax * (1/max), x * (1/scale) (DeepGEMM utilities: torch divides by a constant so on a GPU)',
    1.05,
    (amax, max) => {
      const scale = mulBits(amax, divBits(one, max));
      return plain(scale, multiplying(divBits(one, scale)));
    },
  ],
  [
    'te-divide',
    'stored 1 / (max/amax), x / scale',
    2,
    (amax, max) => {
      const scale = divBits(one, divBits(max, amax));
      return plain(scale, dividing(scale));
    },
  ],
  [
    'te-reciprocal',
    'stored 1 / (max/amax), x * (1/scale)',
    2,
    (amax, max) => {
      const scale = divBits(one, divBits(max, amax));
      return plain(scale, multiplying(divBits(one, scale)));
    },
  ],
  [
    'inverse-stored',
    'the multiplier max/amax stored in place of the scale, x * (max/amax)',
    2,
    (amax, max) => plain(divBits(max, amax), multiplying(divBits(max, amax))),
  ],
  [
    'inverse-stored-divide',
    'the inverse 1/scale stored in place of the scale, x / scale',
    2,
    (amax, max) => plain(divBits(one, divBits(amax, max)), dividing(divBits(amax, max))),
  ],
  ['pow2-down', 'power-of-two scale, rounded down', 2, (amax, max) => powerScale(powerOf.down(divBits(amax, max)))],
  [
    'pow2-nearest',
    'power-of-two scale, rounded to the nearest exponent',
    2,
    (amax, max) => powerScale(powerOf.nearest(divBits(amax, max))),
  ],
  [
    'pow2-above',
    'power-of-two scale, one exponent too high where amax/max is a power of two',
    2,
    (amax, max) => powerScale(powerOf.above(divBits(amax, max))),
  ],
  [
    'pow2-inverse-stored',
    'the inverse of the power-of-two scale stored in place of it',
    2,
    (amax, max) => {
      const scale = powerOf.up(divBits(amax, max));
      return plain(divBits(one, scale), shifting(scale));
    },
  ],
  ...(['divide', 'multiply'] as const).flatMap((way): Extra[] =>
    (['up', 'down', 'nearest'] as const).map((direction) => [
      `${way}-then-pow2-${direction}`,
      `${way === 'divide' ? 'x / (amax/max)' : 'x * (max/amax)'}, then the stored scale rounded to a power of two, ${direction}: rounded after use`,
      direction === 'up' ? 2 : 3,
      (amax, max) => {
        const scale = divBits(amax, max);
        const factor = way === 'divide' ? dividing(scale) : multiplying(divBits(max, amax));
        return plain(powerOf[direction](scale), factor);
      },
    ]),
  ),
  ...(['bf16', 'f16'] as const).flatMap((format): Extra[] => [
    [
      `${format}-scale`,
      `scale amax/max rounded to ${format}, x / scale`,
      2,
      (amax, max) => {
        const scale = roundTo(divBits(amax, max), formats[format]);
        return plain(scale, dividing(scale));
      },
    ],
    [
      `${format}-scale-after`,
      `x / (amax/max), the stored scale rounded to ${format} afterwards`,
      2,
      (amax, max) => {
        const scale = divBits(amax, max);
        return plain(roundTo(scale, formats[format]), dividing(scale));
      },
    ],
  ]),
  [
    'bf16-arithmetic',
    'all in bf16: scale amax/max and x / scale both rounded to bf16',
    2,
    (amax, max) => {
      const scale = roundTo(divBits(amax, max), formats.bf16);
      return { ...plain(scale, dividing(scale)), through: 'bf16' };
    },
  ],
  ...(['bf16', 'f16'] as const).flatMap((through): Extra[] => [
    [
      `${through}-quotient`,
      `scale amax/max in f32, x / scale rounded to ${through} before the cast`,
      2,
      (amax, max) => ({ ...plain(divBits(amax, max), dividing(divBits(amax, max))), through }),
    ],
    [
      `${through}-product`,
      `scale amax/max in f32, x * (1/scale) rounded to ${through} before the cast`,
      2,
      (amax, max) => ({ ...plain(divBits(amax, max), multiplying(divBits(one, divBits(amax, max)))), through }),
    ],
  ]),
];

function extraRule([name, words, cost, outcome]: Extra): QuantizerRule {
  const powerOfTwo = name.startsWith('pow2-') || name === 'given-divide';
  return {
    name,
    words,
    cost,
    powerOfTwo,
    floor: 1e-4,
    outcome: (amax, scheme, tensorScale) => {
      const max = bitsOf(formats[scheme.format].max);
      const floored = Math.max(amax, bitsOf(scheme.scale.amaxFloor));
      if (amax >= INF_BITS || tensorScale === NAN_BITS)
        return { stored: NAN_BITS, dequant: NAN_BITS, factor: { kind: 'nan' } };
      if (floored === 0) return { stored: 0, dequant: 0, factor: { kind: 'none' } };
      const found = outcome(floored, max);
      if (scheme.scale.type !== 'e8m0') return found;
      return { ...found, stored: found.stored >>> 23 };
    },
  };
}

/** Every rule, the contract's recipes first. */
export const quantizerRules: readonly QuantizerRule[] = [...scaleRecipes.map(recipeRule), ...extras.map(extraRule)];

const byName = new Map(quantizerRules.map((rule) => [rule.name, rule]));

/** The rule of a name. */
export const quantizerRule = (name: string): QuantizerRule => byName.get(name) as QuantizerRule;

/** How far-fetched a rule is in place of a spec's: those of MX belong to tiles of 32, and to each other. */
export function recipeCost(name: string, spec: string, tile: string): number {
  const mx = name.startsWith('mx-');
  const fits = mx === spec.startsWith('mx-') || mx === ['1x32', '32x1'].includes(tile);
  return quantizerRule(name).cost + (fits ? 0 : mx ? 0.6 : 0.1);
}

/** Rules whose scales a type can hold; those that take scales as they are not among them. */
export function rulesFor(type: ScaleType, format: Format['name']): QuantizerRule[] {
  return quantizerRules.filter((rule) => {
    if (type === 'e4m3') return rule.name.startsWith('nvfp4');
    if (rule.name.startsWith('nvfp4') || givenRuleNames.includes(rule.name)) return false;
    if (shorterRules.some(([name]) => name === rule.name) && formats[format].mantissaBits !== 3) return false;
    if (rule.name.startsWith('mx-') && !['e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2'].includes(format)) return false;
    return type === 'f32' || rule.powerOfTwo;
  });
}

/** What the amax of a tile is raised to: `1e-4` is a maximum, `+1e-4` an addition. */
export function floorAmax(amax: number, floor: string): { readonly amax: number; readonly floor: number } {
  if (amax >= INF_BITS) return { amax, floor: 0 };
  if (!floor.startsWith('+')) return { amax, floor: Number(floor) };
  return { amax: bitsOf(Math.fround(fromBits(amax) + Math.fround(Number(floor.slice(1))))), floor: 0 };
}
