export type { Answer, DerivedElement, Leftover, RankedCandidate, Untold, Verdict } from './answer.ts';
export type { Convention, Deviation, Problem } from './convention.ts';
export { diagnose, diagnosedKernels, problemOf } from './diagnose.ts';
export { specOf } from './express.ts';
export type { SearchOptions } from './search.ts';
export { type Separation, separate } from './separate.ts';
