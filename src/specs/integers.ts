import { z } from 'zod';
import type { CountsInput, IntegersFrom, MaskInput, RoutingInput } from './base.ts';
import type { Checker } from './checker.ts';
import { extent, file, u32 } from './fields.ts';

const seed = u32.optional().describe('Philox key. Default 0.');
const dtype = z.literal('i32').optional().describe('Integers are i32.');
const share = z.number().min(0).max(1).optional();
const count = extent.optional();

const routingObject = z.strictObject({
  generate: z.literal('routing').describe('Distinct experts for every token; docs/numerics.md has the draws.'),
  seed,
  dtype,
  experts: count.describe('Experts there are: those of the shape, also where it is left out.'),
  used: count.describe('Experts 0 to used - 1 alone are chosen. Default all.'),
  skew: z.int().min(0).max(15).optional().describe('0 chooses evenly, more prefers low experts. Default 0.'),
  maskedTokens: share.describe('Share of tokens that go nowhere. Default 0.'),
  maskedSlots: share.describe('Share of single slots that go nowhere. Default 0.'),
});

const maskObject = z.strictObject({
  generate: z.literal('mask').describe('Ones, and zeros for a share of the elements.'),
  seed,
  dtype,
  share: share.describe('Share of zeros. Default 0.'),
});

const countsObject = z.strictObject({
  generate: z.literal('integers').describe('Even draws of 0 to below - 1.'),
  seed,
  dtype,
  below: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional()
    .describe('All are less than this. Default 256.'),
});

/** Experts of tokens: the generator `routing` or a file. */
export const routingSchema = z
  .union([z.literal('routing'), routingObject, file])
  .describe('Experts of every token, -1 for none: the generator routing, or a file.');

/** A mask of ones and zeros: the generator `mask` or a file. */
export const maskSchema = z
  .union([z.literal('mask'), maskObject, file])
  .describe('Ones and zeros: a generator or a file.');

/** Counts: the generator `integers` or a file. */
export const countsSchema = z
  .union([z.literal('integers'), countsObject, file])
  .describe('Counts: a generator or a file.');

/** A routing input filled: `experts` is the spec's number of experts. */
export function fillRouting(input: z.infer<typeof routingSchema>, experts: number): IntegersFrom<RoutingInput> {
  if (typeof input === 'string') return fillRouting({ generate: input }, experts);
  if ('file' in input) return input;
  return {
    generate: 'routing',
    seed: input.seed ?? 0,
    dtype: 'i32',
    experts: input.experts ?? experts,
    used: input.used ?? experts,
    skew: input.skew ?? 0,
    maskedTokens: input.maskedTokens ?? 0,
    maskedSlots: input.maskedSlots ?? 0,
  };
}

/** A mask filled. */
export function fillMask(input: z.infer<typeof maskSchema>): IntegersFrom<MaskInput> {
  if (typeof input === 'string') return fillMask({ generate: input });
  if ('file' in input) return input;
  return { generate: 'mask', seed: input.seed ?? 0, dtype: 'i32', share: input.share ?? 0 };
}

/** Counts filled. */
export function fillCounts(input: z.infer<typeof countsSchema>): IntegersFrom<CountsInput> {
  if (typeof input === 'string') return fillCounts({ generate: input });
  if ('file' in input) return input;
  return { generate: 'integers', seed: input.seed ?? 0, dtype: 'i32', below: input.below ?? 256 };
}

/** Refuses a routing input of other experts than the spec's. */
export function checkRouting(check: Checker, path: string, input: IntegersFrom<RoutingInput>, experts: number): void {
  if ('file' in input) return;
  if (input.experts !== experts) {
    check.refuse(`${path}.experts`, `is ${input.experts}, and the shape has ${experts}`, 'leave it out');
  }
  if (input.used > experts) {
    check.refuse(`${path}.used`, `is ${input.used}, and there are ${experts} experts`, `use ${experts} at most`);
  }
}
