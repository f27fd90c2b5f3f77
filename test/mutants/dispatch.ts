import type { Mutant } from './mutant.ts';

/** Wrong variants of dispatch. */
export const dispatch: readonly Mutant[] = [
  {
    kernel: 'dispatch',
    name: 'a token sent for every slot, not once a rank',
    spec: 'dispatch',
    file: 'kernels/dispatch_slots',
    replace: [['select(NOWHERE, rank, first == slot)', 'rank']],
  },
  {
    kernel: 'dispatch',
    name: 'the weight of every slot told to every rank',
    spec: 'dispatch',
    file: 'kernels/dispatch_rows',
    replace: [
      [
        'topk_idx[i] < parameters.experts && topk_idx[i] / parameters.per_rank == rank',
        'topk_idx[i] < parameters.experts',
      ],
    ],
  },
  {
    kernel: 'dispatch',
    name: 'experts not counted from the first of the rank',
    spec: 'dispatch',
    file: 'kernels/dispatch_rows',
    replace: [['expert = topk_idx[i] - rank * parameters.per_rank;', 'expert = topk_idx[i];']],
  },
  {
    kernel: 'dispatch',
    name: 'tokens counted over all ranks',
    spec: 'dispatch',
    file: 'kernels/dispatch_rows',
    replace: [['select(token % parameters.tokens, NOWHERE, padding)', 'select(token, NOWHERE, padding)']],
  },
  {
    kernel: 'dispatch',
    name: 'a token over IB for every rank of a node',
    spec: 'dispatch',
    constants: { WAY: 1 },
  },
  {
    kernel: 'dispatch',
    name: 'no forwarding over NVLink',
    spec: 'dispatch',
    file: 'kernels/dispatch_traffic',
    replace: [['if (WAY == 2 || rank == sender) {', 'if (rank == sender) {']],
  },
  {
    kernel: 'dispatch',
    name: 'experts of low latency one behind the other',
    spec: 'dispatch-low-latency',
    file: 'kernels/permute_offsets',
    replace: [['select(parameters.stride, aligned, parameters.stride == 0u)', 'aligned']],
  },
];

/** Wrong variants of combine. */
export const combine: readonly Mutant[] = [
  {
    kernel: 'combine',
    name: 'partial sums not rounded',
    spec: 'combine-local',
    file: 'kernels/combine',
    replace: [['float_add(node_sum, rounded(sum.bits))', 'float_add(node_sum, sum.bits)']],
  },
  {
    kernel: 'combine',
    name: 'sums of a node not rounded again',
    spec: 'combine-node',
    file: 'kernels/combine',
    replace: [['select(rounded(node_sum), node_sum, per_node == NOWHERE)', 'node_sum']],
  },
  {
    kernel: 'combine',
    name: 'every rank a node of its own',
    spec: 'combine-node',
    file: 'kernels/combine',
    replace: [['let end = (rank / per_node + 1u) * per_node;', 'let end = rank + 1u;']],
  },
  {
    kernel: 'combine',
    name: 'a row over IB for every slot',
    spec: 'combine-node',
    constants: { WAY: 0 },
  },
  {
    kernel: 'combine',
    name: 'a row over IB for every node though ranks send their own',
    spec: 'combine-local',
    constants: { WAY: 2 },
  },
  {
    kernel: 'combine',
    name: 'weights forgotten',
    spec: 'combine-local',
    constants: { WEIGHTED: 0 },
  },
  {
    kernel: 'combine',
    name: 'a node carried into the next',
    spec: 'combine-node',
    file: 'kernels/combine',
    replace: [
      ['  var total = 0u;', '  var total = 0u;\n  var node_sum = 0u;'],
      ['    var node_sum = 0u;\n', ''],
    ],
  },
];
