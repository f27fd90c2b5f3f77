import { groupedResultShape } from '../../kernels/grouped-gemm/products.ts';
import type { GroupedGemmSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { along, type Convention, type Move, type Problem } from '../convention.ts';
import { gemmConvention } from '../gemm/axes.ts';
import { GemmCanon } from '../gemm/canonical.ts';
import { describeGemm } from '../gemm/describe.ts';
import { elementsOf, samplesOf, splitWords, startMoves, tiersOf, workingsOf } from '../gemm/problem.ts';
import { GroupedEvaluator } from './evaluator.ts';
import { type Groups, groupAxes } from './groups.ts';

/** Elements of rows of no group that a sample for confirmation has. */
const confirmedPadding = 64;

/** Leaves out what concerns D as one matrix. */
const isOfGroups = (move: Move): boolean =>
  move['d.transposed'] !== 'yes' && move.blank !== 'last-row' && move.blank !== 'last-edges';

/** A grouped gemm spec with somebody's D, ready to be searched. `groups` have one member at least. */
export function groupedGemmProblem(spec: GroupedGemmSpec, groups: Groups, inputs: Tensors, d: Tensor): Problem {
  const evaluator = new GroupedEvaluator(groups, inputs, d.codes);
  const own = Object.fromEntries(Object.entries(groupAxes).map(([axis, [first]]) => [axis, first]));
  const base: Convention = { ...gemmConvention(spec), ...own };
  const largest = groups.members.reduce((a, b) => (b.count * b.range.count > a.count * a.range.count ? b : a));
  const product = evaluator.productOf(largest);
  const canon = new GemmCanon(product, base);
  const ofGroups = Object.entries(groupAxes)
    .filter(([axis]) => spec.layout !== 'k-grouped' || axis === 'padding')
    .flatMap(([axis, values]) => along(axis, values));
  const [likely, ...rest] = tiersOf(product.spec, product, base).map((groupsOfMoves) =>
    groupsOfMoves.map((moves) => moves.filter(isOfGroups)),
  );
  return {
    spec: base,
    noisy: true,
    starts: startMoves(product),
    tiers: [[ofGroups, ...likely!], ...rest],
    ...elementsOf(spec, groupedResultShape(spec), d),
    ...elementsOfGroups(groups, product.spec.shape.k),
    canonical: (convention) => groups.canonical(canon.of(convention)),
    predict: (convention, elements) => evaluator.predict(convention, elements),
    describe: (convention) => describeGemm(base, convention, (of) => splitWords(product, of)),
    workings: (convention, element) => {
      const place = evaluator.at(convention, element);
      if (place !== undefined) return workingsOf(place.product, convention, place.local);
      return { blocks: [], code: evaluator.predict(convention, Int32Array.of(element))[0]! };
    },
  };
}

/** Elements of rows that groups have, as of a matrix of those alone; some of the others where candidates are confirmed. */
function elementsOfGroups({ live, padding, spec }: Groups, k: number): Pick<Problem, 'sets' | 'confirmed'> {
  const { n } = spec.shape;
  const { sets, confirmed } = samplesOf(live.length, n, k);
  const [few, some, more, all] = sets.map((elements) =>
    elements.map((element) => live[Math.floor(element / n)]! * n + (element % n)),
  );
  const rest = padding.length * n;
  const count = confirmed.length === live.length * n ? rest : Math.min(rest, confirmedPadding);
  const others = Array.from({ length: count }, (_, i) => {
    const place = Math.floor((i * rest) / count);
    return padding[Math.floor(place / n)]! * n + (place % n);
  });
  const own = confirmed.map((element) => live[Math.floor(element / n)]! * n + (element % n));
  return { sets: [few!, some!, more!, all!], confirmed: Int32Array.from([...own, ...others]).sort() };
}
