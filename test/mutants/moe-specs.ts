import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { MutantSpec } from './specs.ts';

const operand = (scheme: string, seed: number) => ({ scheme, input: { generate: 'normal', seed } });

function layerOf(kernel: 'moe-layer' | 'moe-layer-backward', more: object): MutantSpec {
  const spec = resolveSpec({
    fp8lab: 1,
    kernel,
    name: 'mutant',
    shape: { tokens: 9, hidden: 40, inter: 24, experts: 4 },
    gate: { topk: 2, routeScale: 1.5, sharedExperts: 1 },
    alignment: 16,
    x: operand('activation-1x128-pow2', 1),
    logits: { input: { generate: 'normal', seed: 2, dtype: 'f32' } },
    w13: operand('weight-128x128-pow2', 3),
    w2: operand('weight-128x128-pow2', 4),
    ...more,
  });
  return { spec, inputs: materializeInputs(kernelOf(spec).inputs(spec)) };
}

/** Specs on which the layer's mutants show. */
export const moeMutantSpecs = {
  moe: layerOf('moe-layer', {}),
  'moe-split': { ...layerOf('moe-layer', {}), maxBindingBytes: 4096 },
  'moe-backward': layerOf('moe-layer-backward', {
    dy: { input: { generate: 'normal', seed: 5 } },
    channel: { preset: 'channel-128x1-pow2', tile: [16, 1] },
    arithmetic: { promoteEvery: 16 },
  }),
} satisfies Record<string, MutantSpec>;
