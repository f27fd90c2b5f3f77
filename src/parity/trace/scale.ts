import { bitsOf, INF_BITS, NAN_BITS } from '../../numerics/f32.ts';
import { formats } from '../../numerics/formats.ts';
import { type Factor, powerOfTwoRecipes } from '../../numerics/scale.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { traceEncode } from './encode.ts';
import { codeOf, f32, f32Value, numberOf, type Quantity, quantity, type Recorder } from './steps.ts';

/** A tile's stored scale and what its values take, as `tileScale` gives them. */
export interface TracedScale {
  readonly stored: Quantity;
  readonly factor: Factor;
}

const largest = f32('largest f32', 0x7f7fffff);
const one = f32('1', 0x3f800000);

/** The scale of a tile, operation by operation: docs/numerics.md, "Quantization". The same bits as `tileScale`. */
export function traceScale(recorder: Recorder, amax: Quantity, scheme: Scheme, tensorScale?: Quantity): TracedScale {
  const { recipe, type, amaxFloor } = scheme.scale;
  const bits = codeOf(amax);
  if (recipe === 'unit') {
    const stored = { ...one, name: 'scale' };
    recorder.record('max', 'unit: always 1', [], stored);
    return { stored, factor: { kind: 'none' } };
  }
  if (recipe === 'te' && (bits === 0 || bits >= INF_BITS)) {
    const stored = { ...one, name: 'scale' };
    recorder.record('max', 'te: amax of 0, Inf or NaN gives 1', [amax], stored);
    return { stored, factor: { kind: 'none' } };
  }
  if (bits >= INF_BITS || (tensorScale !== undefined && codeOf(tensorScale) === NAN_BITS))
    return marked(recorder, amax, type);
  const floored = floorAmax(recorder, amax, amaxFloor);
  const max = f32Value(`max ${scheme.format}`, formats[scheme.format].max);
  if (powerOfTwoRecipes.has(recipe)) return powerOfTwo(recorder, floored, max, scheme);
  return recipe === 'nvfp4'
    ? nvfp4(recorder, floored, tensorScale ?? { ...one, name: 'tensor scale' })
    : division(recorder, floored, max, scheme);
}

function marked(recorder: Recorder, amax: Quantity, type: Scheme['scale']['type']): TracedScale {
  const stored = quantity('scale', type === 'f32' ? NAN_BITS : formats[type].nanCode, type);
  recorder.record('max', 'NaN marks the tile', [amax], stored, 'the tile holds Inf or NaN: every code is that of NaN');
  return { stored, factor: { kind: 'nan' } };
}

function floorAmax(recorder: Recorder, amax: Quantity, floor: number): Quantity {
  const least = f32('amaxFloor', bitsOf(floor));
  if (codeOf(amax) >= codeOf(least)) return amax;
  return recorder.record('max', 'max(amax, amaxFloor)', [amax, least], { ...least, name: 'amax' });
}

function division(recorder: Recorder, amax: Quantity, max: Quantity, scheme: Scheme): TracedScale {
  const { recipe } = scheme.scale;
  const stored = quotient(recorder, amax, max, recipe);
  if (codeOf(stored) === 0) return { stored, factor: { kind: 'none' } };
  if (recipe === 'divide' || recipe === 'v32') return { stored, factor: { kind: 'divide', bits: codeOf(stored) } };
  const multiplier = multiplierOf(recorder, amax, max, stored, recipe);
  return { stored, factor: { kind: 'multiply', bits: codeOf(multiplier) } };
}

function quotient(recorder: Recorder, amax: Quantity, max: Quantity, recipe: Scheme['scale']['recipe']): Quantity {
  switch (recipe) {
    case 'deepep':
    case 'v32':
      return recorder.multiply('scale', amax, recorder.divide('r', one, max));
    case 'te':
      return recorder.divide('scale', one, atMostLargest(recorder, recorder.divide('t', max, amax)));
    case 'torchao':
      return recorder.divide('scale', one, recorder.divide('t', max, amax));
    default:
      return recorder.divide('scale', amax, max);
  }
}

function multiplierOf(
  recorder: Recorder,
  amax: Quantity,
  max: Quantity,
  stored: Quantity,
  recipe: Scheme['scale']['recipe'],
): Quantity {
  if (recipe === 'reciprocal') return recorder.divide('multiplier', one, stored);
  const t = recorder.divide('multiplier', max, amax);
  return recipe === 'te' ? atMostLargest(recorder, t) : t;
}

function atMostLargest(recorder: Recorder, t: Quantity): Quantity {
  if (codeOf(t) < INF_BITS) return t;
  return recorder.record('max', 'Inf becomes the largest f32', [t], { ...largest, name: t.name });
}

function nvfp4(recorder: Recorder, amax: Quantity, tensorScale: Quantity): TracedScale {
  const wanted = recorder.divide('wanted', recorder.divide('amax / 6', amax, f32Value('6', 6)), tensorScale);
  const clamped = f32('clamped', Math.min(Math.max(codeOf(wanted), bitsOf(2 ** -6)), bitsOf(448)));
  recorder.record('max', 'clamp(wanted, 2^-6, 448)', [wanted], clamped);
  const encoding = { format: 'e4m3', rounding: 'nearest-even', overflow: 'saturate' } as const;
  const stored = traceEncode(recorder, clamped, 0, encoding, 'scale');
  const decoded = f32Value('scale value', Number(stored.value));
  const scale = recorder.multiply('s', decoded, tensorScale);
  if (codeOf(scale) === 0) return { stored, factor: { kind: 'none' } };
  return { stored, factor: { kind: 'multiply', bits: codeOf(recorder.divide('multiplier', one, scale)) } };
}

const largestExponent: Readonly<Record<string, number>> = { e5m2: 15, e4m3: 8, e3m2: 4, e2m3: 2, e2m1: 2 };

function powerOfTwo(recorder: Recorder, amax: Quantity, max: Quantity, scheme: Scheme): TracedScale {
  const { exponent, note, from } = scaleExponent(recorder, amax, max, scheme);
  const stored =
    scheme.scale.type === 'e8m0' ? quantity('scale', exponent + 127, 'e8m0') : f32Value('scale', 2 ** exponent);
  recorder.record('round-up', `2^${exponent}`, [from], stored, note);
  return { stored, factor: { kind: 'shift', exponent: -exponent } };
}

interface ScaleExponent {
  readonly exponent: number;
  readonly note: string;
  readonly from: Quantity;
}

/** The exponent by its definition on values: the floor or ceiling of a binary logarithm. */
function scaleExponent(recorder: Recorder, amax: Quantity, max: Quantity, scheme: Scheme): ScaleExponent {
  const { recipe } = scheme.scale;
  if (recipe === 'pow2') {
    const ratio = recorder.divide('amax / max', amax, max);
    return {
      exponent: Math.max(ceilLog2(numberOf(ratio)), -126),
      note: 'ceil(log2(amax / max)), at least -126',
      from: ratio,
    };
  }
  if (recipe === 'mx-rceil') {
    const ratio = recorder.multiply('amax * r', amax, recorder.divide('r', one, max));
    const exponent = numberOf(ratio) <= 2 ** -127 ? -127 : Math.min(ceilLog2(numberOf(ratio)), 127);
    return { exponent, note: 'amax * fl(1 / max) rounded up to a power of two', from: ratio };
  }
  const emax = largestExponent[scheme.format] ?? 0;
  const clamp = (exponent: number): number => Math.min(Math.max(exponent - emax, -127), 127);
  if (recipe === 'mx-ceil') {
    return { exponent: clamp(ceilLog2(numberOf(amax))), note: `ceil(log2 amax) - ${emax}`, from: amax };
  }
  if (recipe === 'mx-floor') {
    return { exponent: clamp(floorLog2(numberOf(amax))), note: `floor(log2 amax) - ${emax}`, from: amax };
  }
  const half = 2 ** (22 - formats[scheme.format].mantissaBits);
  const rounded = recorder.record(
    'add',
    `bits(amax) + 2^${Math.log2(half)}`,
    [amax],
    f32('rounded', codeOf(amax) + half),
  );
  // The addition may carry past the largest exponent field: the field says 128 then.
  const exponent = clamp(Math.floor(codeOf(rounded) / 2 ** 23) - 127);
  return { exponent, note: `floor(log2 of the rounded amax) - ${emax}`, from: rounded };
}

/** floor(log2 x), exact; -127 for zero and for f32 subnormals, which count as exponent field 0. */
function floorLog2(x: number): number {
  if (x < 2 ** -126) return -127;
  const guess = Math.floor(Math.log2(x));
  return 2 ** guess > x ? guess - 1 : 2 ** (guess + 1) <= x ? guess + 1 : guess;
}

/** ceil(log2 x); -127 for zero, and -126 for f32 subnormals: exponent field 0 and one more. */
function ceilLog2(x: number): number {
  const floor = floorLog2(x);
  return x === 0 || (2 ** floor === x && floor > -127) ? floor : floor + 1;
}
