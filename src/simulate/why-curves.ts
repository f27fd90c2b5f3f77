import type { WhyQuestion } from './names.ts';
import type { SimulationResult } from './simulate.ts';

/** One simulated step behind an answer. */
export interface WhyPoint {
  /** The line it belongs to, or the deployment. */
  readonly curve: string;
  /** SMs, micro-batches or duplicates. */
  readonly value: number;
  readonly result: SimulationResult;
  /** GB of routed experts on a GPU. */
  readonly expertGB?: number;
}

/** An answer without its picture: a sentence with numbers, and what it rests on. */
export interface WhyData {
  readonly question: WhyQuestion;
  readonly answer: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly points: readonly WhyPoint[];
}

/** Tokens a second on a node. */
export const perNode = ({ result }: WhyPoint): number => result.tokensPerSecondPerNode;

/** The point with the highest throughput. */
export const best = (points: readonly WhyPoint[]): WhyPoint =>
  points.reduce((top, point) => (perNode(point) > perNode(top) ? point : top));

/** The curves of an answer, in order. */
export function curvesOf(points: readonly WhyPoint[]): Map<string, WhyPoint[]> {
  const curves = new Map<string, WhyPoint[]>();
  for (const point of points) curves.set(point.curve, [...(curves.get(point.curve) ?? []), point]);
  return curves;
}

/** Throughput against the best of the same curve, of each point. */
export function sharesOfBest(points: readonly WhyPoint[]): readonly number[] {
  const tops = new Map(Array.from(curvesOf(points), ([curve, own]) => [curve, perNode(best(own))]));
  return points.map((point) => perNode(point) / tops.get(point.curve)!);
}
