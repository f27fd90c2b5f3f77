import type { WhyQuestion } from './names.ts';
import { deepseekScenario, trainingScenario } from './published.ts';
import type { Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { sweepSteps } from './sweep.ts';
import { best, curvesOf, perNode, sharesOfBest, type WhyData, type WhyPoint } from './why-curves.ts';

/** Answers one of the questions on H800 nodes. `onPoint` is told after each step that is simulated. */
export function whyData(question: WhyQuestion, onPoint: (done: number, of: number) => void = () => {}): WhyData {
  const { steps, conclude } = questions[question];
  const all = steps();
  const points: WhyPoint[] = [];
  for (const step of all) {
    points.push(step());
    onPoint(points.length, all.length);
  }
  return { question, points, ...conclude(points) };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

interface Question {
  steps(): readonly (() => WhyPoint)[];
  conclude(points: readonly WhyPoint[]): Omit<WhyData, 'question' | 'points'>;
}

const sweepPoints = (
  curve: string,
  scenario: Scenario,
  axis: 'comm-sms' | 'redundant',
  values: readonly number[],
): (() => WhyPoint)[] => sweepSteps(scenario, axis, values).map((step) => () => ({ curve, ...step() }));

const twentySms: Question = {
  steps() {
    const values = [4, 8, 12, 14, 16, 18, 20, 22, 24, 28, 32, 40];
    return [
      ...sweepPoints('prefill over 4 nodes (EP32)', deepseekScenario({}), 'comm-sms', values),
      ...sweepPoints('training over 8 nodes (EP64)', trainingScenario(), 'comm-sms', values),
      ...sweepPoints('training, loads of skew 0.4', trainingScenario({ skew: 0.4 }), 'comm-sms', values),
    ];
  },
  conclude(points) {
    const [prefill, even, uneven] = Array.from(curvesOf(points).values());
    const at = (curve: readonly WhyPoint[], sms: number): string =>
      percent(perNode(curve.find(({ value }) => value === sms)!) / perNode(best(curve)));
    const answer = `Fastest are ${best(prefill!).value} SMs in prefill, ${best(even!).value} in training with even loads, ${best(uneven!).value} with uneven ones. With 20 the three are at ${at(prefill!, 20)}, ${at(even!, 20)} and ${at(uneven!, 20)} of their best, with 12 at ${at(prefill!, 12)}, ${at(even!, 12)} and ${at(uneven!, 12)}.`;
    return {
      answer,
      columns: ['layout', 'SMs', 'tokens/s a node', 'of the best', 'compute busy', 'all-to-all busy', 'bottleneck'],
      rows: points.map(({ curve, value, result }, i) => [
        curve,
        value,
        Math.round(result.tokensPerSecondPerNode),
        percent(sharesOfBest(points)[i]!),
        result.utilization.computeMean.toFixed(3),
        result.utilization.commMean.toFixed(3),
        result.bottleneck,
      ]),
    };
  },
};

const twoMicroBatches: Question = {
  steps() {
    const cases: readonly (readonly [name: string, scenario: Scenario])[] = [
      ['prefill, EP32', deepseekScenario({ redundant: 32 })],
      ['training, EP64', trainingScenario()],
      ['decode, EP128', deepseekScenario({ phase: 'decode', nodes: 16, tokensPerGpu: 128 })],
      [
        'decode, EP144',
        deepseekScenario({ phase: 'decode', nodes: 18, tokensPerGpu: 88, context: 4989, redundant: 32 }),
      ],
    ];
    return cases.flatMap(([curve, scenario]) =>
      (['none', 'two'] as const).map((overlap) => () => ({
        curve,
        value: overlap === 'two' ? 2 : 1,
        result: simulate({ ...scenario, overlap }).result,
      })),
    );
  },
  conclude(points) {
    const gains = Array.from(curvesOf(points), ([name, [one, two]]) => {
      return `${name}: ${(one!.result.seconds / two!.result.seconds).toFixed(2)} times`;
    });
    return {
      answer: `Two micro-batches against one: ${gains.join('; ')}.`,
      columns: ['deployment', 'micro-batches', 'step ms', 'tokens/s a node', 'compute busy', 'bottleneck'],
      rows: points.map(({ curve, value, result }) => [
        curve,
        value,
        (result.seconds * 1e3).toFixed(1),
        Math.round(result.tokensPerSecondPerNode),
        result.utilization.computeMean.toFixed(3),
        result.bottleneck,
      ]),
    };
  },
};

const thirtyTwo: Question = {
  steps() {
    const values = [0, 4, 8, 16, 24, 32, 48, 64];
    return [
      ...sweepPoints('skew 0.8, loads as planned', deepseekScenario({ skew: 0.8 }), 'redundant', values),
      ...sweepPoints(
        'skew 0.8, loads drifted by 0.2 since',
        deepseekScenario({ skew: 0.8, drift: 0.2 }),
        'redundant',
        values,
      ),
      ...sweepPoints('skew 0.4, loads as planned', deepseekScenario({ skew: 0.4 }), 'redundant', values),
    ];
  },
  conclude(points) {
    const [planned, drifted] = Array.from(curvesOf(points).values());
    const at = (curve: readonly WhyPoint[], redundant: number): WhyPoint =>
      curve.find(({ value }) => value === redundant)!;
    const gain = (curve: readonly WhyPoint[], from: number, to: number): string =>
      `${(100 * (perNode(at(curve, to)) / perNode(at(curve, from)) - 1)).toFixed(0)} %`;
    const slot = (at(planned!, 32).expertGB! - at(planned!, 0).expertGB!).toFixed(2);
    return {
      answer: `A slot more on each GPU costs ${slot} GB and holds 32 duplicates: ${gain(planned!, 0, 32)} more throughput than none, ${gain(drifted!, 0, 32)} when loads have drifted; 32 more give ${gain(planned!, 32, 64)} for as much again.`,
      columns: ['loads', 'redundant', 'tokens/s a node', 'max/mean rows', 'experts GB a GPU'],
      rows: points.map(({ curve, value, result, expertGB }) => [
        curve,
        value,
        Math.round(result.tokensPerSecondPerNode),
        result.imbalance.toFixed(3),
        expertGB!.toFixed(1),
      ]),
    };
  },
};

const questions: Readonly<Record<WhyQuestion, Question>> = {
  '20-sms': twentySms,
  'two-micro-batches': twoMicroBatches,
  '32-redundant': thirtyTwo,
};
