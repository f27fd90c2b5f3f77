import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { gatePresets } from '../../src/specs/gate-presets.ts';
import { arithmeticPresets, modelPresets, schemePresets } from '../../src/specs/presets.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import { jsonSchema, kernelNames } from '../../src/specs/schema.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';

const text = readFileSync(fileURLToPath(new URL('../../docs/specs.md', import.meta.url)), 'utf8');
const examples = Array.from(text.matchAll(/```json\n([\s\S]*?)```/g), ([, json]) => JSON.parse(json!) as object);

/** Every name of an object's field anywhere in a JSON Schema. */
function fieldNames(schema: unknown, found = new Set<string>()): Set<string> {
  if (schema === null || typeof schema !== 'object') return found;
  const { properties } = schema as { properties?: Record<string, unknown> };
  for (const name of Object.keys(properties ?? {})) found.add(name);
  for (const inner of Object.values(schema)) fieldNames(inner, found);
  return found;
}

/** Every name that a field takes as its value. */
function enumNames(schema: unknown, found = new Set<string>()): Set<string> {
  if (schema === null || typeof schema !== 'object') return found;
  const { enum: names, const: name } = schema as { enum?: unknown[]; const?: unknown };
  for (const value of [...(names ?? []), name]) if (typeof value === 'string') found.add(value);
  for (const inner of Object.values(schema)) enumNames(inner, found);
  return found;
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const markdown = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const extent = (n: number): string => (n === 0 ? 'all' : String(n));

/** The tables that the page holds between its `presets` marks. */
const tables: Readonly<Record<string, string>> = {
  schemes: markdown(
    ['preset', 'format', 'tile', 'recipe', 'scale type', 'amaxFloor', 'layout'],
    Object.entries(schemePresets).map(([name, { format, tile, scale }]) => [
      `\`${name}\``,
      format,
      `${extent(tile[0])} x ${extent(tile[1])}`,
      scale.recipe,
      scale.type,
      scale.amaxFloor,
      scale.layout,
    ]),
  ),
  arithmetics: markdown(
    ['preset', 'model', 'promoteEvery', 'combine', 'promote'],
    Object.entries(arithmeticPresets).map(([name, { model, promoteEvery, combine, promote }]) => [
      `\`${name}\``,
      model.name,
      promoteEvery,
      combine,
      promote,
    ]),
  ),
  gates: markdown(
    ['preset', 'score', 'topk', 'groups', 'topkGroups', 'groupScore', 'normalize', 'routeScale', 'sharedExperts'],
    Object.entries(gatePresets).map(([name, gate]) => [
      `\`${name}\``,
      gate.score,
      gate.topk,
      gate.groups,
      gate.topkGroups,
      gate.groupScore,
      gate.normalize,
      gate.routeScale,
      gate.sharedExperts,
    ]),
  ),
  models: markdown(
    ['preset', 'kind', 'F', 'L', 'output', 'order'],
    Object.entries(modelPresets).map(([name, { kind, fractionBits, terms, output, order }]) =>
      kind === 'aligned'
        ? [`\`${name}\``, kind, fractionBits, terms, output, order]
        : [`\`${name}\``, kind, '-', '-', '-', '-'],
    ),
  ),
};

describe('docs/specs.md', () => {
  it.each(examples.map((json) => [(json as ResolvedSpec).name, json] as const))(
    'the example %s resolves',
    (_, json) => {
      expect(resolveSpec(json).kernel).toBe((json as ResolvedSpec).kernel);
    },
  );

  it('has an example of every kernel', () => {
    expect(new Set(examples.map((json) => (json as ResolvedSpec).kernel)).size).toBe(kernelNames.length);
  });

  it('names every field', () => {
    const nested = new Set(['type', 'recipe', 'amaxFloor', 'layout']);
    for (const field of fieldNames(jsonSchema())) {
      expect(text, `the field ${field}`).toContain(nested.has(field) ? `\`scale.${field}\`` : `\`${field}\``);
    }
  });

  it('names every value that a field takes by name', () => {
    for (const name of enumNames(jsonSchema())) expect(text, `the name ${name}`).toContain(`\`${name}\``);
  });

  it.each(Object.entries(tables))('has the table of the presets of %s', (name, table) => {
    expect(text).toContain(`<!-- presets: ${name} -->\n${table}\n<!-- end -->`);
  });
});
