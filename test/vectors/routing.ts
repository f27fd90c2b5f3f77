import { gateReference } from '../../src/kernels/gate/reference.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { widen } from '../../src/kernels/quantize/reference.ts';
import { pinnedFunctions } from '../../src/numerics/exp.ts';
import { bitsOf } from '../../src/numerics/f32.ts';
import { gateSpec } from '../helpers/gate.ts';
import { edges } from '../numerics/operands.ts';
import { draw, hex32, spread } from './words.ts';

/** The pinned functions: edges, numbers in every binade of both signs, and where exp leaves f32. */
export function functionVectors(): unknown {
  const binades = Array.from({ length: 512 }, (_, field) => ((field << 23) | 0x2aaaab) >>> 0);
  const turning = [20, 20.000002, 87.3, 88.72283, 88.72284, 103.9, 104, 127.99999, 128].flatMap((x) =>
    [x, -x].map(bitsOf),
  );
  const near = [...draw(130, 128)].map((word) => ((word & 0x807fffff) | ((0x78 + ((word >>> 24) % 16)) << 23)) >>> 0);
  const inputs = [...spread(edges, 60), ...binades, ...turning, ...near, ...draw(131, 64)];
  const results = Object.entries(pinnedFunctions).map(([name, of]) => [
    name,
    hex32(inputs.map((bits) => of(bits >>> 0))),
  ]);
  return { inputs: hex32(inputs), ...Object.fromEntries(results) };
}

/** Gates of every preset on near ties, with a bias: five tokens each. */
export function gateVectors(): unknown {
  const logits = { input: { generate: 'near-ties', dtype: 'f32', seed: 5 } };
  const bias = { input: { generate: 'near-ties', dtype: 'f32', seed: 6, exponent: -4 } };
  const gates = [
    'deepseek-v3',
    'deepseek-v4',
    'mixtral',
    'qwen3-moe',
    'gpt-oss',
    { topk: 3, normalize: 'none', groups: 4, topkGroups: 2, groupScore: 'max' },
  ];
  return gates.map((gate) => {
    const spec = gateSpec(5, 32, gate, { logits, bias });
    const inputs = materializeInputs(kernelOf(spec).inputs(spec));
    const results = gateReference(spec, inputs);
    return {
      gate: spec.gate,
      shape: spec.shape,
      logits: hex32([...widen(inputs.logits!)]),
      bias: hex32([...widen(inputs.bias!)]),
      ...Object.fromEntries(Object.entries(results).map(([name, { codes }]) => [name, hex32([...codes])])),
    };
  });
}
