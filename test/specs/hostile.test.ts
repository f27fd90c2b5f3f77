import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fp8labError } from '../../src/errors.ts';
import { arithmeticPresets, schemePreset } from '../../src/specs/presets.ts';
import { resolveScheme, resolveSpec } from '../../src/specs/resolve.ts';

const quantize = {
  fp8lab: 1,
  kernel: 'quantize',
  name: 'q',
  shape: { rows: 4, columns: 256 },
  x: { input: 'normal' },
  scheme: 'activation-1x128',
};

const gemm = {
  fp8lab: 1,
  kernel: 'gemm',
  name: 'g',
  shape: { m: 4, n: 4, k: 256 },
  a: { scheme: 'activation-1x128', input: 'normal' },
  b: { scheme: 'weight-128x128', input: 'normal' },
};

function refusal(spec: unknown): Fp8labError {
  try {
    resolveSpec(spec);
  } catch (error) {
    if (error instanceof Fp8labError) return error;
    throw error;
  }
  throw new Error('the spec was accepted');
}

describe('fields that would change nothing are refused, with their value', () => {
  const withInput = (input: object) => ({ ...quantize, x: { input } });
  it.each([
    ['a share without outliers', withInput({ generate: 'normal', share: 0.5 }), 'x.input.share: is 0.5'],
    ['a factor without outliers', withInput({ generate: 'bits', factorExponent: 3 }), 'x.input.factorExponent: is 3'],
    ['an exponent of zeros', withInput({ generate: 'zero', exponent: 4 }), 'x.input.exponent: is 4'],
    [
      'an amaxFloor without amax',
      { ...quantize, scheme: { preset: 'bf16', scale: { amaxFloor: 1 } } },
      'scheme.scale.amaxFloor: is 1',
    ],
    ['a seed without chance', { ...quantize, scheme: { preset: 'mxfp8', seed: 9 } }, 'scheme.seed: is 9'],
    [
      'an odd number of paired products',
      { ...gemm, arithmetic: { model: { fractionBits: 13, terms: 15, order: 'p4' } } },
      'arithmetic.model.terms: is 15',
    ],
  ])('%s', (_, spec, message) => {
    const error = refusal(spec);
    expect(error).toMatchObject({ kind: 'input', code: 'contradiction' });
    expect(error.message).toContain(message);
    expect(error.fix).not.toBe('');
  });
});

describe('values that JSON cannot hold', () => {
  it('any value at all, or in any field, resolves or throws Fp8labError of kind input', () => {
    const strange = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true });
    const field = fc.constantFrom('fp8lab', 'kernel', 'name', 'description', 'large', 'shape', 'x', 'scheme', 'extra');
    fc.assert(
      fc.property(strange, field, (value, name) => {
        for (const spec of [value, { ...quantize, [name]: value }]) {
          try {
            resolveSpec(spec);
          } catch (error) {
            expect(error).toBeInstanceOf(Fp8labError);
            expect((error as Fp8labError).kind).toBe('input');
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('a circle is refused', () => {
    const circle: Record<string, unknown> = { ...quantize };
    circle.x = circle;
    expect(refusal(circle).code).toBe('too-deep');
  });

  it.each(['toString', 'constructor', 'hasOwnProperty', '__proto__'])('%s is no preset', (name) => {
    expect(() => schemePreset(name)).toThrow(Fp8labError);
    expect(() => resolveScheme(name)).toThrow(Fp8labError);
    expect(refusal({ ...gemm, arithmetic: name }).kind).toBe('input');
  });
});

describe('presets', () => {
  it('cannot be changed through a spec that names them', () => {
    const scheme = resolveScheme('mxfp8') as unknown as { tile: number[] };
    expect(() => {
      scheme.tile[1] = 64;
    }).toThrow(TypeError);
    expect(Object.isFrozen(arithmeticPresets['hopper-deepgemm'].model)).toBe(true);
  });
});
