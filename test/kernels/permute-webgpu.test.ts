import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { permuteFamily } from '../../src/kernels/permute/variants.ts';
import { generate } from '../../src/tensors/generate.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { againstReference } from '../helpers/parity.ts';
import { matrix, permuteSpec, schemeOf, unpermuteSpec } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 240_000 });

const routed = (tokens: number, topk: number, experts: number, seed = 1, masked = 0.1, used = experts): Tensor =>
  generate(
    { generate: 'routing', seed, dtype: 'i32', experts, used, skew: 1, maskedTokens: masked, maskedSlots: masked },
    [tokens, topk],
  );

const names = permuteFamily.variants.map(({ name }) => name);
const variants = fc.constantFrom(...names);

describeGpu('permute on a device', () => {
  it('gives the reference on shapes of any kind, whole and in small bindings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          tokens: fc.integer({ min: 1, max: 300 }),
          hidden: fc.integer({ min: 1, max: 70 }),
          experts: fc.integer({ min: 1, max: 40 }),
          alignment: fc.constantFrom(1, 3, 16),
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          used: fc.double({ min: 0, max: 1, noNaN: true }),
          format: fc.constantFrom('bf16' as const, 'f32' as const),
          quantized: fc.boolean(),
          limit: fc.constantFrom({}, { maxBindingBytes: 4096 }),
          variant: variants,
        }),
        async ({ tokens, hidden, experts, alignment, share, used, format, quantized, limit, variant }) => {
          const topk = 1 + Math.floor(share * Math.min(experts - 1, 7));
          const scheme = quantized ? schemeOf({ tile: [1, 16] }) : undefined;
          const spec = permuteSpec({ tokens, hidden, experts, topk }, alignment, scheme);
          const topkIdx = routed(tokens, topk, experts, tokens, 0.1, 1 + Math.floor(used * (experts - 1)));
          const inputs = { x: matrix(tokens, hidden, format), topk_idx: topkIdx };
          expect(await againstReference(spec, inputs, { ...limit, variants: { permute: variant } })).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each(names)('places 73,728 tokens of one expert, by %s', async (variant) => {
    const spec = permuteSpec({ tokens: 73_728, hidden: 1, experts: 3, topk: 1 }, 128);
    const topk_idx = routed(73_728, 1, 3, 1, 0, 1);
    expect(
      await againstReference(spec, { x: matrix(73_728, 1, 'bf16'), topk_idx }, { variants: { permute: variant } }),
    ).toEqual([]);
  });

  it('moves long rows by workgroups, whole and in small bindings', async () => {
    const spec = permuteSpec({ tokens: 60, hidden: 1032, experts: 7, topk: 2 }, 4);
    const inputs = { x: matrix(60, 1032, 'bf16'), topk_idx: routed(60, 2, 7) };
    for (const maxBindingBytes of [2 ** 20, 16_384]) {
      expect(await againstReference(spec, inputs, { maxBindingBytes })).toEqual([]);
    }
  });

  it('refuses experts that no binding can count', async () => {
    const spec = permuteSpec({ tokens: 4, hidden: 4, experts: 2000, topk: 1 }, 1);
    const inputs = { x: matrix(4, 4, 'bf16'), topk_idx: routed(4, 1, 2000) };
    await expect(againstReference(spec, inputs, { maxBindingBytes: 4096 })).rejects.toThrow(
      '4 slots of 2000 experts take more counters than the adapter binds (4096 bytes)',
    );
  });
});

describeGpu('unpermute on a device', () => {
  it('gives the reference on shapes of any kind, whole and in small bindings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          tokens: fc.integer({ min: 1, max: 90 }),
          hidden: fc.integer({ min: 1, max: 70 }),
          rows: fc.integer({ min: 1, max: 120 }),
          topk: fc.integer({ min: 1, max: 6 }),
          format: fc.constantFrom('bf16' as const, 'f32' as const, 'f16' as const),
          output: fc.constantFrom('bf16' as const, 'f32' as const, 'f16' as const),
          content: fc.constantFrom('normal' as const, 'bits' as const),
          weighted: fc.boolean(),
          limit: fc.constantFrom(undefined, 4096),
        }),
        async ({ tokens, hidden, rows, topk, format, output, content, weighted, limit }) => {
          const spec = unpermuteSpec({ tokens, hidden, topk, rows }, output, weighted);
          const inputs = {
            x: matrix(rows, hidden, format, content),
            slot_to_row: routed(tokens, topk, rows, tokens),
            ...(weighted && { topk_weights: matrix(tokens, topk, 'f32', content, 7) }),
          };
          expect(await againstReference(spec, inputs, limit ? { maxBindingBytes: limit } : {})).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each(['e4m3', 'e5m2', 'e5m6'] as const)('sums values of %s', async (format) => {
    const spec = unpermuteSpec({ tokens: 9, hidden: 33, topk: 2, rows: 20 }, 'f32');
    const inputs = { x: matrix(20, 33, format, 'bits'), slot_to_row: routed(9, 2, 20) };
    expect(await againstReference(spec, inputs)).toEqual([]);
  });
});
