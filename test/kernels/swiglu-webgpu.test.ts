import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { generate } from '../../src/tensors/generate.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { againstReference } from '../helpers/parity.ts';
import { matrix, schemeOf, swigluBackwardSpec, swigluSpec } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 240_000 });

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  inter: fc.integer({ min: 1, max: 150 }),
  format: fc.constantFrom('bf16' as const, 'f32' as const),
  content: fc.constantFrom('normal' as const, 'bits' as const),
  result: fc.constantFrom(
    { output: 'bf16' as const },
    { output: 'f32' as const },
    { scheme: schemeOf() },
    { scheme: schemeOf({ tile: [128, 1] }) },
  ),
  clamp: fc.constantFrom(undefined, 1.5),
  weighted: fc.boolean(),
  mapped: fc.boolean(),
  limit: fc.constantFrom(undefined, 4096),
});

const mapOf = (rows: number) =>
  generate(
    {
      generate: 'routing',
      seed: 1,
      dtype: 'i32',
      experts: rows,
      used: rows,
      skew: 0,
      maskedTokens: 0,
      maskedSlots: 0.3,
    },
    [rows],
  );

describeGpu('SwiGLU on a device', () => {
  it('gives the reference, forward and backward, whole and in small bindings', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, backward) => {
        const { rows, inter, format, content, result, clamp, weighted, mapped, limit } = shape;
        const fields = { ...result, ...(clamp !== undefined && { clamp }) };
        const inputs = {
          x: matrix(rows, 2 * inter, format, content, 1),
          ...(weighted && { weights: { ...matrix(rows, 1, 'f32', content, 2), shape: [rows] } }),
          ...(mapped && { row_to_slot: mapOf(rows) }),
          ...(backward && { grad: matrix(rows, inter, format, content, 3) }),
        };
        const spec = backward ? swigluBackwardSpec(rows, inter, fields) : swigluSpec(rows, inter, fields);
        expect(await againstReference(spec, inputs, limit ? { maxBindingBytes: limit } : {})).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it.each(['e4m3', 'e5m2', 'e5m6'] as const)('reads values of %s', async (format) => {
    const x = matrix(3, 2 * 70, format, 'bits', 1);
    const grad = matrix(3, 70, format, 'bits', 2);
    expect(await againstReference(swigluSpec(3, 70, { output: 'f32' }), { x })).toEqual([]);
    expect(await againstReference(swigluBackwardSpec(3, 70, { output: 'f32' }), { x, grad })).toEqual([]);
  });
});
