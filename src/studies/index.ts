import { Fp8labError } from '../errors.ts';
import { didYouMean } from '../specs/nearest.ts';
import { blockwiseGradients } from './blockwise-gradients.ts';
import { caching } from './caching.ts';
import { doubleQuantization } from './double-quantization.ts';
import { formats } from './formats.ts';
import { granularity } from './granularity.ts';
import { optimizer } from './optimizer/study.ts';
import { promotion } from './promotion.ts';
import { recipes } from './recipes.ts';
import type { Study } from './study.ts';
import { training } from './training/study.ts';

/** Every study, in the order of the documentation. */
export const studies: readonly Study[] = [
  promotion,
  granularity,
  blockwiseGradients,
  doubleQuantization,
  caching,
  formats,
  recipes,
  optimizer,
  training,
];

/** The study of a name; an unknown one is a usage error that names the nearest. */
export function studyOf(name: string): Study {
  const study = studies.find((candidate) => candidate.name === name);
  if (study !== undefined) return study;
  const names = studies.map((candidate) => candidate.name);
  throw new Fp8labError(`there is no study "${name}"${didYouMean(name, names)}`, {
    kind: 'usage',
    code: 'unknown-study',
    where: 'study',
    fix: `name one of: ${names.join(', ')}`,
  });
}
