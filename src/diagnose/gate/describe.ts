import type { Convention, Deviation } from '../convention.ts';

const words: Readonly<
  Record<string, readonly [title: string, cost: number, values: Readonly<Record<string, string>>]>
> = {
  score: [
    'score',
    1,
    {
      sigmoid: 'sigmoid',
      softmax: 'softmax over all experts',
      'sqrt-softplus': 'sqrt(softplus)',
      logit: 'the logit itself',
    },
  ],
  precision: [
    'scores',
    1.5,
    {
      pinned: "the contract's pinned f32",
      rounded: 'f32, correctly rounded',
      steps: 'f32, each operation rounded (NumPy, torch)',
      f64: 'in f64, weights rounded at the end',
      bf16: 'rounded to bf16',
    },
  ],
  ranking: [
    'ranking',
    1,
    {
      biased: 'by score plus bias',
      unbiased: 'by score, the bias left out',
      pattern: 'by bit patterns: negative scores turned around',
    },
  ],
  groups: [
    'group score',
    1,
    { 'top2-sum': 'sum of the two largest', max: 'the largest', sum: 'sum of all', unlimited: 'no limit of groups' },
  ],
  outside: [
    'experts of other groups',
    1,
    { 'minus-infinity': 'left out (minus infinity)', zero: 'set to 0, not to minus infinity' },
  ],
  ties: ['ties', 1, { lower: 'to the lower index', higher: 'to the higher index' }],
  groupTies: [
    'ties of groups',
    1.2,
    { lower: 'to the lower index', higher: 'to the higher index', all: 'all take part: a group too many' },
  ],
  weights: [
    'weights',
    1,
    {
      scores: 'of the scores without bias',
      biased: 'of the scores with bias: the bias leaks',
      logits: 'of the logits',
    },
  ],
  normalize: [
    'normalization',
    1,
    {
      none: 'none',
      sum: 'divided by their sum, then scaled',
      softmax: 'softmax over the chosen',
      'sum-before-scale': 'scaled, then divided by their sum',
      all: 'divided by the sum over all experts',
    },
  ],
  sumStart: [
    'sum of weights',
    1.5,
    {
      '1e-20': 'from 1e-20',
      '0': 'from 0',
      '1e-12': 'from 1e-12',
      '1e-9': 'from 1e-9',
      '1e-6': 'from 1e-6',
    },
  ],
  scale: ['route scale', 1, { applied: 'applied', 'left-out': 'left out' }],
  slots: [
    'slots',
    1.2,
    { descending: 'the largest first', ascending: 'the smallest first', 'by-index': 'by index of the expert' },
  ],
  shared: ['shared experts', 1.5, { one: 'weigh 1', zero: 'weigh nothing' }],
  mask: ['masked tokens', 1.5, { kept: 'go nowhere', ignored: 'are routed all the same' }],
};

/** Where a gate leaves the spec. */
export function describeGate(spec: Convention, convention: Convention): Deviation[] {
  return Object.keys(words)
    .filter((axis) => convention[axis] !== spec[axis])
    .map((axis) => {
      const [title, cost, values] = words[axis]!;
      const value = convention[axis]!;
      return {
        axis,
        axes: [axis],
        title,
        value,
        words: values[value] ?? value,
        spec: values[spec[axis]!] ?? spec[axis]!,
        cost,
      };
    });
}
