import { extname } from 'node:path';
import { exitCodes } from '../errors.ts';
import { generateLoads } from '../moe/generate.ts';
import { loadsToCsv } from '../moe/parse.ts';
import type { Io } from './io.ts';
import { type LoadOptions, recipeOf, requireEnding, writeOutput } from './moe.ts';

/** `fp8lab moe generate`: loads to try with, as CSV or JSON. */
export async function moeGenerateCommand(options: LoadOptions & { readonly out?: string }, io: Io): Promise<number> {
  requireEnding(options.out, ['.csv', '.json'], '--out');
  const recipe = recipeOf(options);
  const series = generateLoads(recipe);
  const json = `${JSON.stringify({ schemaVersion: 1, recipe, loads: series })}\n`;
  if (options.out !== undefined)
    await writeOutput(options.out, extname(options.out) === '.json' ? json : loadsToCsv(series), io);
  if (options.json) io.stdout(json);
  else if (options.out === undefined) io.stdout(loadsToCsv(series));
  return exitCodes.ok;
}
