// A mixture-of-experts layer of DeepSeek-V3's kind, scaled down: what node.mjs, ../deno/moe-layer.ts and the page run.

const normal = (seed, more) => ({ generate: 'normal', seed, ...more });

const shared = {
  fp8lab: 1,
  shape: { tokens: 8, hidden: 256, inter: 128, experts: 8 },
  gate: { preset: 'deepseek-v3', topk: 2, groups: 4, topkGroups: 2, sharedExperts: 1 },
  alignment: 16,
  x: { scheme: 'activation-1x128-pow2', input: normal(1) },
  logits: { input: normal(2, { dtype: 'f32' }) },
  bias: { input: normal(3, { dtype: 'f32', exponent: -3 }) },
  w13: { scheme: 'weight-128x128-pow2', input: normal(4, { exponent: -4 }) },
  w2: { scheme: 'weight-128x128-pow2', input: normal(5, { exponent: -4 }) },
};

/** The forward pass, and the gradients of the same layer. */
export const specs = [
  { ...shared, kernel: 'moe-layer', name: 'forward' },
  {
    ...shared,
    kernel: 'moe-layer-backward',
    name: 'backward',
    dy: { input: normal(6, { exponent: -6 }) },
    channel: { preset: 'channel-128x1-pow2', tile: [16, 1] },
    arithmetic: { promoteEvery: 16 },
  },
];

/**
 * Runs both passes by the reference and by `compute`, and tells what came of it, line by line.
 * @param fp8lab the library: its functions resolveSpec, kernelOf, materializeInputs, compareResults
 * @param compute gives the results of a spec from its inputs, on a device of the caller's
 */
export async function runLayer({ resolveSpec, kernelOf, materializeInputs, compareResults }, compute) {
  const lines = [];
  for (const authored of specs) {
    const spec = resolveSpec(authored);
    const kernel = kernelOf(spec);
    const inputs = materializeInputs(kernel.inputs(spec));
    const expected = kernel.reference(spec, inputs);
    if (expected.topk_idx) lines.push(`experts of token 0: ${[...expected.topk_idx.codes.slice(0, 3)].join(', ')}`);
    const { mismatches, elements } = compareResults(spec, expected, await compute(spec, inputs));
    lines.push(`${spec.name}: ${Object.keys(expected).join(', ')}: ${mismatches} of ${elements} elements differ`);
  }
  return lines;
}
