import { join } from 'node:path';
import { exitCodes } from '../errors.ts';
import { specIdentity } from '../specs/canonical.ts';
import { arithmeticPresets, modelPresets, schemePresets } from '../specs/presets.ts';
import { jsonSchema } from '../specs/schema.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { makeFolder, writeFileAtomically } from '../tensors/files.ts';
import type { Io } from './io.ts';
import { loadOne } from './run.ts';
import { chooseSpecs } from './specs.ts';
import { table } from './table.ts';

/** `fp8lab spec resolve`: the spec with every field filled, and its identity on stderr. */
export async function specResolveCommand(name: string, options: { json?: boolean }, io: Io): Promise<number> {
  const { spec } = await loadOne(name);
  const identity = await specIdentity(spec);
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, identity, spec })}\n`);
  else {
    io.stdout(`${JSON.stringify(spec, null, 2)}\n`);
    io.stderr(`identity: ${identity}\n`);
  }
  return exitCodes.ok;
}

const shapeText = (spec: ResolvedSpec): string =>
  Object.entries(spec.shape)
    .map(([name, extent]) => `${name} ${extent}`)
    .join(', ');

/** `fp8lab spec list`: the shipped specs. */
export async function specListCommand(options: { json?: boolean }, io: Io): Promise<number> {
  const specs = await chooseSpecs([], true);
  if (options.json) {
    const list = specs.map(({ label, spec }) => ({
      spec: label,
      shape: spec.shape,
      large: spec.large,
      description: spec.description,
    }));
    io.stdout(`${JSON.stringify({ schemaVersion: 1, specs: list })}\n`);
  } else {
    io.stdout(
      table(specs.map(({ label, spec }) => [label, shapeText(spec), spec.large ? 'large' : '', spec.description])),
    );
  }
  return exitCodes.ok;
}

/** `fp8lab spec presets`: what may stand by name in a spec. */
export async function specPresetsCommand(options: { json?: boolean }, io: Io): Promise<number> {
  if (options.json) {
    io.stdout(
      `${JSON.stringify({ schemaVersion: 1, schemes: schemePresets, models: modelPresets, arithmetics: arithmeticPresets })}\n`,
    );
    return exitCodes.ok;
  }
  const schemes = Object.entries(schemePresets).map(([name, { format, tile, scale }]) => [
    name,
    format,
    `${tile[0] || 'all'}x${tile[1] || 'all'}`,
    scale.recipe,
    scale.type,
    scale.layout,
  ]);
  const models = Object.entries(modelPresets).map(([name, model]) =>
    model.kind === 'aligned'
      ? [name, `F ${model.fractionBits}`, `L ${model.terms}`, model.output, model.order]
      : [name, model.kind],
  );
  const arithmetics = Object.entries(arithmeticPresets).map(([name, { model, promoteEvery, combine, promote }]) => [
    name,
    model.name,
    `promote ${promoteEvery || 'never'}`,
    combine,
    promote,
  ]);
  io.stdout(
    `schemes\n${indent(table(schemes))}\narithmetics\n${indent(table(arithmetics))}\ntensor-core models\n${indent(table(models))}`,
  );
  return exitCodes.ok;
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');

/** `fp8lab spec export`: specs resolved, a file each, for programs that read them without presets (the native runner, other projects). */
export async function specExportCommand(
  folder: string,
  names: readonly string[],
  options: { large?: boolean; json?: boolean },
  io: Io,
): Promise<number> {
  const specs = await chooseSpecs(names, options.large ?? false);
  await makeFolder(folder);
  const files = specs.map(({ label }) => `${label.replace('/', '.')}.json`);
  for (const [i, { spec }] of specs.entries()) {
    await writeFileAtomically(join(folder, files[i]!), `${JSON.stringify(spec, null, 2)}\n`);
  }
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, folder, files })}\n`);
  else io.stdout(`${files.length} specs in ${folder}\n`);
  return exitCodes.ok;
}

/** `fp8lab spec schema`: the JSON Schema that editors complete specs from. */
export async function specSchemaCommand(io: Io): Promise<number> {
  io.stdout(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return exitCodes.ok;
}
