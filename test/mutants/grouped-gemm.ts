import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import type { Mutant } from './mutant.ts';

/** The group layout changed integer by integer, as a wrong plan would read it. */
const layout =
  (change: (value: number, i: number, all: Int32Array) => number) =>
  (inputs: Tensors): Tensors => {
    const { codes } = inputs.group_layout!;
    const all = Int32Array.from(codes);
    const changed = Uint32Array.from(all, (value, i) => change(value, i, all));
    return { ...inputs, group_layout: { ...(inputs.group_layout as Tensor), codes: changed } };
  };

/** Wrong variants of grouped-gemm: what the products of groups share, and what decides which rows meet which B. */
export const groupedGemm: readonly Mutant[] = [
  {
    kernel: 'grouped-gemm',
    name: 'group of the neighbour',
    spec: 'grouped-contiguous',
    tensors: layout((group) => (group < 0 ? group : (group + 1) % 3)),
  },
  {
    kernel: 'grouped-gemm',
    name: 'last row of a group dropped',
    spec: 'grouped-contiguous',
    tensors: layout((group, row, all) => (group >= 0 && (all[row + 1] ?? -1) !== group ? -1 : group)),
  },
  {
    kernel: 'grouped-gemm',
    name: 'padding computed as the group before it',
    spec: 'grouped-contiguous',
    tensors: layout((group, row, all) => (group >= 0 || row % 16 === 0 ? group : all[row - (row % 16)]!)),
  },
  {
    kernel: 'grouped-gemm',
    name: 'padding at the end computed as group 0',
    spec: 'grouped-contiguous',
    tensors: layout((group, row) => (group < 0 && row >= 48 ? 0 : group)),
  },
  {
    kernel: 'grouped-gemm',
    name: 'offset not aligned',
    spec: 'grouped-offsets',
    // The group's rows are looked for right behind the former group's end, eleven rows too early.
    tensors: (inputs) => ({
      ...inputs,
      a: movedUp(inputs.a!, 16, 5, 11),
      a_scales: movedUp(inputs.a_scales!, 16, 5, 11),
    }),
  },
  {
    kernel: 'grouped-gemm',
    name: 'end of a group along k counted as its size',
    spec: 'grouped-k',
    tensors: layout((end, i, all) => (i === 2 ? Math.max(end - 1, all[1]!) : end)),
  },
  {
    kernel: 'grouped-gemm',
    name: 'tile columns of a group taken for its tile rows',
    spec: 'grouped-k',
    parameter: { shader: 'kernels/gemm_aligned_float', from: 11, to: 12 },
  },
  { kernel: 'grouped-gemm', name: 'C of an empty group left out', spec: 'grouped-k', constants: { WITH_C: 0 } },
  {
    kernel: 'grouped-gemm',
    name: 'last block dropped',
    spec: 'grouped-offsets',
    file: 'kernels/gemm_common',
    replace: [['while (word < parameters.last_word) {', 'while (word + block_words <= parameters.last_word) {']],
  },
  {
    kernel: 'grouped-gemm',
    name: 'last row of a piece dropped',
    spec: 'grouped-split',
    file: 'kernels/gemm_operand',
    replace: [['row < parameters.rows)', 'row + 1u < parameters.rows)']],
  },
  {
    kernel: 'grouped-gemm',
    name: 'scale of the first row for all',
    spec: 'grouped-contiguous',
    file: 'kernels/gemm_promote_any',
    replace: [['vec4(a_factor(row ^ i, k))', 'vec4(a_factor((row ^ i) & ~3u, k))']],
  },
  {
    kernel: 'grouped-gemm',
    name: 'all zeros',
    spec: 'grouped-contiguous',
    file: 'kernels/gemm_finish',
    replace: [['d[word] = packed;', 'd[word] = packed & 0u;']],
  },
];

/** Rows [first, first + count) replaced by those `by` above. */
function movedUp(tensor: Tensor, first: number, count: number, by: number): Tensor {
  const columns = tensor.shape[1]!;
  const codes = tensor.codes.slice() as Tensor['codes'];
  codes.set(tensor.codes.subarray((first - by) * columns, (first - by + count) * columns), first * columns);
  return { ...tensor, codes };
}
