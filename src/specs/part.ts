import type { z } from 'zod';
import type { SpecBase } from './base.ts';
import type { Checker } from './checker.ts';

/** What one kernel adds to the language of specs; each stands in a file of kernels/, listed in parts.ts. */
export interface SpecPart<Schema extends z.ZodObject, Spec extends SpecBase> {
  /** What an author may write. */
  readonly schema: Schema;
  /** Presets become their objects, defaults are written out. */
  fill(authored: z.infer<Schema>, base: SpecBase): Spec;
  /** Refuses what contradicts itself, with the path and the numbers. */
  check(spec: Spec, check: Checker): void;
}

/** A part, its types taken from what it is made of. */
export function specPart<Schema extends z.ZodObject, Spec extends SpecBase>(
  part: SpecPart<Schema, Spec>,
): SpecPart<Schema, Spec> {
  return part;
}
