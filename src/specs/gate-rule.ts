import { z } from 'zod';
import type { Checker } from './checker.ts';
import { names } from './fields.ts';
import { type GateRule, gatePresets } from './gate-presets.ts';

/** Experts of a layer: loops over them in a shader stay below what drivers allow. */
export const mostExperts = 2 ** 14;
const mostGroups = 128;

const count = (most: number) => z.int().min(1).max(most);

/** A score of experts. */
export const gateScore = z.enum(['sigmoid', 'sqrt-softplus', 'softmax', 'logit']);

const gateObject = z.strictObject({
  preset: names(gatePresets).optional().describe('Take this gate and change the fields given beside it.'),
  score: gateScore.optional().describe("An expert's affinity from its logit. Default sigmoid."),
  topk: count(mostExperts).optional().describe('Experts of a token. Default 8.'),
  groups: count(mostGroups).optional().describe('Groups of consecutive experts. Default 1.'),
  topkGroups: count(mostGroups).optional().describe('Groups a token may use. Default all.'),
  groupScore: z
    .enum(['top2-sum', 'max'])
    .optional()
    .describe("A group's score from its ranked values. Default top2-sum."),
  normalize: z.enum(['none', 'sum', 'softmax']).optional().describe('How weights come from scores. Default sum.'),
  routeScale: z.number().min(0).max(1e30).optional().describe('Weights are multiplied by this. Default 1.'),
  sharedExperts: z.int().min(0).max(64).optional().describe('Further slots of weight 1. Default 0.'),
});

/** A gate: the name of a preset, or an object. */
export const gateSchema = z
  .union([names(gatePresets), gateObject])
  .describe('How tokens choose experts: the name of a preset, or an object.');

/** A gate with its preset's fields and defaults written out. */
export function fillGate(gate: z.infer<typeof gateSchema>): GateRule {
  if (typeof gate === 'string') return gatePresets[gate];
  const base: GateRule | undefined = gate.preset === undefined ? undefined : gatePresets[gate.preset];
  const groups = gate.groups ?? base?.groups ?? 1;
  return {
    score: gate.score ?? base?.score ?? 'sigmoid',
    topk: gate.topk ?? base?.topk ?? 8,
    groups,
    topkGroups: gate.topkGroups ?? (groups === base?.groups ? base.topkGroups : groups),
    groupScore: gate.groupScore ?? base?.groupScore ?? 'top2-sum',
    normalize: gate.normalize ?? base?.normalize ?? 'sum',
    routeScale: gate.routeScale ?? base?.routeScale ?? 1,
    sharedExperts: gate.sharedExperts ?? base?.sharedExperts ?? 0,
  };
}

/** Refuses a gate that `experts` experts cannot have. */
export function checkGate(check: Checker, path: string, gate: GateRule, experts: number): void {
  const { topk, groups, topkGroups } = gate;
  if (experts % groups !== 0) {
    check.refuse(
      `${path}.groups`,
      `is ${groups}, and does not divide ${experts} experts`,
      `use a divisor of ${experts}`,
    );
  }
  if (topkGroups > groups) {
    check.refuse(`${path}.topkGroups`, `is ${topkGroups}, and there are ${groups} groups`, `use ${groups} at most`);
  }
  const size = experts / groups;
  if (topk > topkGroups * size) {
    check.refuse(
      `${path}.topk`,
      `is ${topk}, and ${topkGroups} of ${groups} groups of ${size} experts leave ${topkGroups * size}`,
      `use ${topkGroups * size} at most, or more groups`,
    );
  }
  if (topkGroups < groups && gate.groupScore === 'top2-sum' && size < 2) {
    check.refuse(`${path}.groupScore`, 'is top2-sum, and a group has 1 expert', 'use max, or fewer groups');
  }
  if (gate.normalize === 'softmax' && gate.score !== 'logit') {
    check.refuse(
      `${path}.normalize`,
      `is softmax, which takes the chosen logits, and the score is ${gate.score}`,
      'use score logit, or normalize sum',
    );
  }
  if (gate.normalize === 'sum' && gate.score === 'logit') {
    check.refuse(`${path}.normalize`, 'is sum, and logits of both signs may cancel', 'use softmax or none');
  }
}
