import { expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { gemmSpec, matrix, quantizeSpec, schemeOf } from '../helpers/specs.ts';

const spec = gemmSpec({ shape: { m: 8, n: 16, k: 256 } });
const inputs: Tensors = { a: matrix(8, 256, 'bf16'), b: matrix(16, 256, 'bf16') };
const d = (change: Partial<Tensor>): Tensors => ({ d: { ...matrix(8, 16, 'bf16'), ...change } });
const filled = (code: number): Tensors => d({ codes: new Uint16Array(128).fill(code) });

it.each([
  ['a result of another name', { out: d({}).d! }, 'missing-tensor', 'they have out'],
  ['another dtype', d({ dtype: 'F16' }), 'wrong-dtype', "the spec's is BF16"],
  ['another shape', d({ shape: [4, 32] }), 'wrong-shape', "the spec's is [8, 16]"],
  ['a transposed shape', d({ shape: [16, 8] }), 'wrong-shape', 'it looks transposed'],
  ['zeros alone', filled(0), 'all-zero', 'the kernel wrote nothing'],
  ['NaN alone', filled(0x7fc0), 'all-nan', 'all 128 elements'],
])('refuses %s at once, saying what is expected', (_, actual, code, words) => {
  expect(() => diagnose(spec, inputs, actual)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(words) }),
  );
});

it('refuses inputs that are not there', () => {
  expect(() => diagnose(spec, {}, d({}))).toThrow(expect.objectContaining({ code: 'missing-tensor' }));
});

it.each([
  ['codes of another size', { codes: matrix(8, 255, 'e4m3'.replace('e4m3', 'bf16') as 'bf16') }, 'wrong-dtype'],
  [
    'scales that no tile has',
    {
      codes: { dtype: 'F8_E4M3', shape: [8, 256], codes: new Uint8Array(2048).fill(7) },
      scales: { dtype: 'F32', shape: [7, 11], codes: new Uint32Array(77).fill(1) },
    },
    'wrong-shape',
  ],
  [
    'scales as integers of 64 bits',
    {
      codes: { dtype: 'F8_E4M3', shape: [8, 256], codes: new Uint8Array(2048).fill(7) },
      scales: { dtype: 'I64', shape: [8, 2], codes: new Uint32Array(16) },
    },
    'wrong-dtype',
  ],
] as const)('refuses %s', (_, actual, code) => {
  const quantize = quantizeSpec(8, 256, schemeOf());
  const full = {
    scales: { dtype: 'F32', shape: [8, 2], codes: new Uint32Array(16).fill(0x3f800000) },
    ...actual,
  } as unknown as Tensors;
  expect(() => diagnose(quantize, { x: matrix(8, 256, 'bf16') }, full)).toThrow(expect.objectContaining({ code }));
});
