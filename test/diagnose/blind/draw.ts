import type { Convention } from '../../../src/diagnose/index.ts';
import type { ResolvedSpec } from '../../../src/specs/types.ts';
import type { Tensors } from '../../../src/tensors/tensor.ts';
import { pick, type Random } from './random.ts';

/** A way in which the kernel of a case leaves the spec, and the axes that name it. */
export interface Change<Rule> {
  /** Changes of one kind exclude each other. */
  readonly kind: string;
  readonly name: string;
  readonly apply: (rule: Rule) => Rule;
  readonly expect: Convention;
}

/** A blind case: a spec, its inputs, and what some other kernel made of them. */
export interface BlindCase {
  readonly name: string;
  readonly spec: ResolvedSpec;
  readonly inputs: Tensors;
  readonly actual: Tensors;
  /** Axes of each change that was drawn and that shows in the result. */
  readonly expect: readonly Convention[];
}

/** Draws one to three changes of different kinds, each kind as likely as another; `excludes` names kinds that do not go together. */
export function drawChanges<Rule>(
  random: Random,
  changes: readonly Change<Rule>[],
  excludes: Readonly<Record<string, readonly string[]>> = {},
): Change<Rule>[] {
  const wanted = pick(random, [1, 1, 1, 2, 2, 2, 3]);
  const chosen: Change<Rule>[] = [];
  const clash = (a: string, b: string): boolean => a === b || (excludes[a]?.includes(b) ?? false);
  for (;;) {
    const open = changes.filter(({ kind }) => chosen.every((it) => !clash(kind, it.kind) && !clash(it.kind, kind)));
    const kinds = [...new Set(open.map(({ kind }) => kind))];
    if (chosen.length === wanted || kinds.length === 0) return chosen;
    const kind = pick(random, kinds);
    chosen.push(
      pick(
        random,
        open.filter((it) => it.kind === kind),
      ),
    );
  }
}

/**
 * Leaves out changes that the result does not show: those without which it is the same, bit for bit. What remains is all that could be named.
 * Empty where the result is the spec's own.
 */
export function shown<Rule>(
  changes: readonly Change<Rule>[],
  own: Rule,
  result: (rule: Rule) => string,
): Change<Rule>[] {
  const under = (some: readonly Change<Rule>[]): string => result(some.reduce((rule, { apply }) => apply(rule), own));
  const whole = under(changes);
  let kept = [...changes];
  for (const change of changes) {
    const without = kept.filter((it) => it !== change);
    if (under(without) === whole) kept = without;
  }
  return kept;
}
