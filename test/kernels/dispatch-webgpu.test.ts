import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { generate } from '../../src/tensors/generate.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { againstReference } from '../helpers/parity.ts';
import { combineSpec, dispatchSpec, matrix, schemeOf } from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 240_000 });

const routed = (tokens: number, topk: number, experts: number, seed: number): Tensor =>
  generate(
    { generate: 'routing', seed, dtype: 'i32', experts, used: experts, skew: 1, maskedTokens: 0.1, maskedSlots: 0.1 },
    [tokens, topk],
  );

const systems = fc.record({
  nodes: fc.integer({ min: 1, max: 3 }),
  gpusPerNode: fc.integer({ min: 1, max: 3 }),
  perRank: fc.integer({ min: 1, max: 4 }),
  tokens: fc.integer({ min: 1, max: 12 }),
  hidden: fc.integer({ min: 1, max: 40 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  seed: fc.nat(1000),
});

describeGpu('dispatch and combine on a device', () => {
  it('dispatch gives the reference in both layouts, quantized or not, whole and in small bindings', async () => {
    await fc.assert(
      fc.asyncProperty(
        systems,
        fc.constantFrom('normal' as const, 'low-latency' as const),
        fc.boolean(),
        fc.constantFrom(undefined, 4096),
        async ({ nodes, gpusPerNode, perRank, tokens, hidden, share, seed }, layout, quantized, limit) => {
          const ranks = nodes * gpusPerNode;
          const experts = ranks * perRank;
          const topk = 1 + Math.floor(share * Math.min(experts - 1, 5));
          const scheme = quantized ? schemeOf({ tile: [1, 16] }) : undefined;
          const spec = dispatchSpec({ tokens, hidden, experts, topk }, ranks, gpusPerNode, layout, scheme);
          const inputs = {
            x: matrix(ranks * tokens, hidden, 'f32'),
            topk_idx: routed(ranks * tokens, topk, experts, seed),
            topk_weights: matrix(ranks * tokens, topk, 'f32', 'bits', 7),
          };
          expect(await againstReference(spec, inputs, limit ? { maxBindingBytes: limit } : {})).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('combine gives the reference at every level', async () => {
    await fc.assert(
      fc.asyncProperty(
        systems,
        fc.constantFrom('none' as const, 'local' as const, 'node' as const),
        fc.constantFrom('normal' as const, 'bits' as const),
        fc.boolean(),
        async ({ nodes, gpusPerNode, perRank, tokens, hidden, share, seed }, reduce, content, weighted) => {
          const ranks = nodes * gpusPerNode;
          const experts = ranks * perRank;
          const topk = 1 + Math.floor(share * Math.min(experts - 1, 5));
          const spec = combineSpec({ tokens, hidden, experts, topk }, ranks, gpusPerNode, reduce, 50, weighted);
          const inputs = {
            x: matrix(50, hidden, 'bf16', content),
            slot_to_row: routed(ranks * tokens, topk, 50, seed + 1),
            topk_idx: routed(ranks * tokens, topk, experts, seed),
            ...(weighted && { topk_weights: matrix(ranks * tokens, topk, 'f32', content, 7) }),
          };
          expect(await againstReference(spec, inputs)).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });
});
