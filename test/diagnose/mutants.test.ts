import { expect, it } from 'vitest';
import { diagnose, diagnosedKernels } from '../../src/diagnose/index.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { type Mutant, mutants } from '../mutants/mutants.ts';
import { resultOf, specOf } from '../mutants/run.ts';
import { mutantDiagnoses } from './mutant-diagnoses.ts';

const nameOf = ({ kernel, name }: Mutant): string => `${kernel}: ${name}`;
const diagnosed = mutants.filter(({ kernel }) => (diagnosedKernels as readonly string[]).includes(kernel));
const told = (kind: string): [string, Mutant][] =>
  diagnosed.flatMap((mutant) => (kind in (mutantDiagnoses[nameOf(mutant)] ?? {}) ? [[nameOf(mutant), mutant]] : []));

/** What a mutant of a shader computed, diagnosed; of a product the first rule that gives it is enough, for its ties take long. */
async function answerOf(mutant: Mutant, budget: number) {
  const { spec, inputs } = specOf(mutant.spec);
  return diagnose(spec, inputs, await resultOf(mutant.spec, mutant), {
    budget,
    ties: !mutant.kernel.endsWith('gemm'),
  });
}

it('every mutant of a kernel that can be diagnosed has a name, or a reason why it has none', () => {
  expect(diagnosed.map(nameOf).sort()).toEqual(Object.keys(mutantDiagnoses).sort());
});

describeGpu('diagnose of a deliberately wrong shader', () => {
  // Each takes a shader's compilation and a search: every second one, unless all are asked for.
  const named = told('axes').filter((_, at) => process.env.MUTANTS === 'all' || at % 2 === 0);
  it.each(named)('names %s', { timeout: 100_000 }, async (name, mutant) => {
    const diagnosis = mutantDiagnoses[name] as { axes: object; leaves?: string };
    const { verdict, candidates } = await answerOf(mutant, 10_000);
    expect(candidates[0]!.convention).toMatchObject(diagnosis.axes);
    expect(verdict).toBe(diagnosis.leaves === undefined ? 'explained' : 'partly');
  });

  it.each(told('refused'))('refuses %s', async (name, mutant) => {
    const { refused } = mutantDiagnoses[name] as { refused: string };
    await expect(answerOf(mutant, 0)).rejects.toThrow(expect.objectContaining({ code: refused }));
  });

  // Those without a name take a search to its end: one of each kernel stands for the rest, unless all are asked for.
  const few = ['quantize: kernel does not run', 'requantize: amax of a partial tile', 'gemm: floor alignment'];
  const nameless = told('outside').filter(([name]) => process.env.MUTANTS === 'all' || few.includes(name));
  it.each(nameless)('does not pretend to know %s', { timeout: 100_000 }, async (_, mutant) => {
    const { verdict, candidates } = await answerOf(mutant, 2000);
    if (verdict === 'explained') expect(candidates[0]!.differing).toBe(0);
    else expect(candidates[0]!.differing === 0).toBe(verdict === 'as-specified');
  });
});
