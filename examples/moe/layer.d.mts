import type { ResolvedSpec, Tensors } from '../../src/index.ts';

type Library = Pick<
  typeof import('../../src/index.ts'),
  'resolveSpec' | 'kernelOf' | 'materializeInputs' | 'compareResults'
>;

export declare const specs: readonly object[];
export declare function runLayer(
  fp8lab: Library,
  compute: (spec: ResolvedSpec, inputs: Tensors) => Promise<Tensors>,
): Promise<readonly string[]>;
