import { inputError } from '../errors.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { checker } from './checker.ts';
import { fillScheme } from './fill.ts';
import { specParts } from './parts.ts';
import { schemeSchema, specSchema } from './schema.ts';
import type { KernelName, ResolvedSpec } from './types.ts';
import { validate } from './validate.ts';

/** Nesting past this is not a spec but an attack on a recursive reader. */
const maxDepth = 12;
const maxNodes = 2000;

/**
 * Fills a spec: presets become their objects, defaults are written out, contradictions are refused.
 * @param json what JSON.parse gave, or an object made in code
 * @param where name of the source for error messages
 * @throws Fp8labError of kind `input` with the field's path
 */
export function resolveSpec(json: unknown, where = 'spec'): ResolvedSpec {
  refuseHostile(json, where);
  const authored = validate(specSchema, json, where);
  const part = partOf(authored.kernel);
  const spec = part.fill(authored as never, {
    fp8lab: 1,
    name: authored.name,
    description: authored.description ?? '',
    large: authored.large ?? false,
  });
  part.check(spec as never, checker(where));
  return spec;
}

/** A scheme by preset name or object, filled. */
export function resolveScheme(json: unknown, where = 'scheme'): Scheme {
  refuseHostile(json, where);
  return fillScheme(validate(schemeSchema, json, where), where);
}

/** The part of a kernel. Its own types fit the specs of that kernel alone, which the schema's `kernel` has made sure of. */
function partOf(kernel: KernelName): (typeof specParts)[number] {
  return specParts.find(({ schema }) => schema.shape.kernel.value === kernel)!;
}

/** Refuses what no author writes: circles, great depth or size, keys that touch prototypes, values that JSON has not. */
function refuseHostile(json: unknown, where: string): void {
  let nodes = 0;
  const refuse = (message: string, code: string): never => {
    throw inputError(message, code, where, 'a spec is a small JSON object; see docs/specs.md');
  };
  const visit = (value: unknown, depth: number): void => {
    if (depth > maxDepth) refuse(`the spec is nested deeper than ${maxDepth}`, 'too-deep');
    if (++nodes > maxNodes) refuse(`the spec has more than ${maxNodes} values`, 'too-large');
    if (['bigint', 'function', 'symbol'].includes(typeof value)) refuse(`the spec holds a ${typeof value}`, 'not-json');
    if (value === null || typeof value !== 'object') return;
    for (const key of Object.keys(value)) {
      if (key === '__proto__') refuse('the spec has a field named __proto__', 'unknown-field');
      visit((value as Record<string, unknown>)[key], depth + 1);
    }
  };
  visit(json, 0);
}
