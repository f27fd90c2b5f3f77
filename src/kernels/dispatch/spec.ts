import { formats } from '../../numerics/formats.ts';
import { type DispatchSpec, dispatchedRows } from '../../specs/kernels/dispatch.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers, declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { quantizedDeclarations, tileGrid } from '../tiles.ts';

/** The tokens of all ranks, one rank behind the other, with their experts and weights. */
export function dispatchInputs(spec: DispatchSpec): readonly InputDeclaration[] {
  const { hidden, topk } = spec.shape;
  const tokens = spec.ranks * spec.shape.tokens;
  const x =
    'scheme' in spec.x
      ? declareOperand('x', spec.x, tokens, hidden)
      : [declareInput('x', spec.x.input, [tokens, hidden])];
  return [
    ...x,
    declareIntegers('topk_idx', spec.topkIdx, [tokens, topk]),
    declareInput('topk_weights', spec.topkWeights.input, [tokens, topk]),
  ];
}

/** What every rank receives, one behind the other, and what went over the links. */
export function dispatchResults(spec: DispatchSpec): readonly TensorDeclaration[] {
  const { shape, ranks, gpusPerNode, layout, x } = spec;
  const { hidden, experts, topk } = shape;
  const rows = dispatchedRows(spec);
  const nodes = ranks / gpusPerNode;
  const i32 = (name: string, ...extents: number[]): TensorDeclaration => ({ name, dtype: 'I32', shape: extents });
  const plain = 'scheme' in x ? 'bf16' : 'generate' in x.input ? x.input.dtype : 'bf16';
  const moved =
    'scheme' in x
      ? quantizedDeclarations(rows, hidden, x.scheme)
      : [{ name: 'x', dtype: dtypeOfFormat[plain], shape: [rows, hidden] }];
  const of: readonly TensorDeclaration[] =
    layout === 'normal'
      ? [
          i32('counts', ranks),
          i32('offsets', ranks + 1),
          i32('recv_idx', rows, topk),
          { name: 'recv_weights', dtype: 'F32', shape: [rows, topk] },
        ]
      : [i32('counts', experts), i32('layout_count', ranks, experts), i32('layout_begin', ranks, experts)];
  return [
    ...moved,
    ...of,
    i32('source', rows, 2),
    i32('slot_to_row', ranks * shape.tokens, topk),
    i32('ib_bytes', nodes, nodes),
    i32('nvlink_bytes', ranks, ranks),
  ];
}

/** Bytes of a token on the wire: codes and scales, packed, and in `normal` 8 bytes a slot (expert, weight), in `low-latency` 16 bytes. */
export function messageBytes({ shape, layout, x }: DispatchSpec, format: keyof typeof formats): number {
  const head = layout === 'normal' ? 8 * shape.topk : 16;
  if (!('scheme' in x)) return head + (shape.hidden * formats[format].bits) / 8;
  const scales = tileGrid(1, shape.hidden, x.scheme).columns * (formats[x.scheme.scale.type].bits / 8);
  return head + Math.ceil((shape.hidden * formats[x.scheme.format].bits) / 8) + scales;
}
