import { expect, it } from 'vitest';
import { kernelOf, kernels } from '../../src/kernels/index.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { mismatches } from '../helpers/parity.ts';
import { type Mutant, mutants } from './mutants.ts';
import { resultOf, specOf } from './run.ts';
import { type MutantSpecName, mutantSpecs } from './specs.ts';

const references = new Map<MutantSpecName, Tensors>();

function reference(name: MutantSpecName): Tensors {
  const { spec, inputs } = specOf(name);
  const tensors = references.get(name) ?? kernelOf(spec).reference(spec, inputs);
  references.set(name, tensors);
  return tensors;
}

async function differing(name: MutantSpecName, mutant?: Mutant): Promise<string[]> {
  return mismatches(await resultOf(name, mutant), reference(name));
}

describeGpu('the shaders as they are', () => {
  it.each(Object.keys(mutantSpecs) as MutantSpecName[])('give the reference on %s', async (name) => {
    expect(await differing(name)).toEqual([]);
  });
});

describeGpu('a deliberately wrong shader is caught', () => {
  it.each(mutants.map((mutant): [string, Mutant] => [`${mutant.kernel}: ${mutant.name}`, mutant]))(
    '%s',
    async (_, mutant) => {
      expect((await differing(mutant.spec, mutant)).length).toBeGreaterThan(0);
    },
  );

  it('every kernel has mutants', () => {
    expect(new Set(mutants.map(({ kernel }) => kernel))).toEqual(new Set(Object.keys(kernels)));
  });
});
