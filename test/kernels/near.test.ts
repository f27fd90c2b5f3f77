import { describe, expect, it } from 'vitest';
import { farFrom } from '../../src/kernels/near.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { allocateCodes, dtypeOfFormat, type Tensor } from '../../src/tensors/tensor.ts';

/** 200 equal codes, the first of them another. */
function tensor(format: FormatName, code: number, first = code): Tensor {
  const dtype = dtypeOfFormat[format];
  const codes = allocateCodes(dtype, 200).fill(code);
  codes[0] = first;
  return { dtype, shape: [200], codes };
}

const verdict = (format: FormatName, want: number, got: number) =>
  farFrom({ x: tensor(format, want, got) }, { x: tensor(format, want) });

describe('a result of the fast tier is near the reference', () => {
  it.each([
    ['e4m3', 0x3a, 0x3b],
    ['e4m3', 0x3a, 0x39],
    // Around a power of two the smaller codes lie closer; around zero the signs meet.
    ['e4m3', 0x38, 0x37],
    ['e4m3', 0x01, 0x80],
    ['bf16', 0x3f80, 0x3f81],
    ['e5m2', 0x7c, 0x7c],
    ['f32', 0x3f800000, 0x3f800100],
  ] as const)('%s: %i against %i', (format, want, got) => {
    expect(verdict(format, want, got)).toBeUndefined();
  });

  it.each([
    ['e4m3', 0x3a, 0x3c, /1 of 200 elements, at 0 by more than a step/],
    ['e4m3', 0x7e, 0x7f, /more than a step/],
    ['e5m2', 0x7b, 0x7c, /more than a step/],
    ['e4m3', 0x3a, 0xba, /more than a step/],
    ['e8m0', 0x7f, 0x80, /x differs from the reference in 1 of 200/],
    ['f32', 0x3f800000, 0x3f804000, /differs from the reference by 0.001953125/],
    ['f32', 0x3f800000, 0x7fc00000, /by Infinity/],
    ['f32', 0x7fc00000, 0x3f800000, /by Infinity/],
  ] as const)('%s: not where %i becomes %i', (format, want, got, message) => {
    expect(verdict(format, want, got)).toMatch(message);
  });

  it('not where more than one element of a hundred is a step off', () => {
    const want = tensor('e4m3', 0x3a);
    const got = { ...want, codes: want.codes.map((code, i) => code + (i % 50 === 0 ? 1 : 0)) };
    expect(farFrom({ x: got }, { x: want })).toMatch(/in 4 of 200 elements/);
  });

  it('not where a tensor is missing or of another length', () => {
    const want = tensor('e4m3', 0x3a);
    expect(farFrom({}, { x: want })).toMatch(/x is of another kind/);
    expect(farFrom({ x: { ...want, codes: want.codes.slice(1) } }, { x: want })).toMatch(/another kind/);
  });
});
