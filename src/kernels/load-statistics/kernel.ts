import type { LoadStatisticsSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { loadStatisticsReference } from './reference.ts';
import { loadStatisticsInputs, loadStatisticsResults } from './spec.ts';
import { loadStatisticsWebGpu } from './webgpu.ts';

/** The kernel load-statistics. */
export const loadStatisticsKernel: Kernel<LoadStatisticsSpec> = {
  name: 'load-statistics',
  inputs: loadStatisticsInputs,
  results: loadStatisticsResults,
  reference: loadStatisticsReference,
  webgpu: loadStatisticsWebGpu,
};
