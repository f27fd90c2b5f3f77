import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Fp8labError, inputError } from '../errors.ts';
import { drawRouting, generateLoads, type LoadRecipe } from '../moe/generate.ts';
import type { ExpertLoads } from '../moe/loads.ts';
import { parseLoadsCsv, parseLoadsJson } from '../moe/parse.ts';
import { countExperts, type Routing } from '../moe/routing.ts';
import { readRoutings } from '../moe/tensors.ts';
import { openSafetensorsFile, readError, writeFileAtomically } from '../tensors/files.ts';
import type { Io } from './io.ts';

/** Options that say where loads come from, where no file does. */
export interface LoadOptions extends LoadRecipe {
  readonly json?: boolean;
}

/** Loads, and the routings behind them where a file has those. */
export interface ReadLoads {
  /** What the loads are of: a file, or the recipe. */
  readonly source: string;
  readonly series: readonly ExpertLoads[];
  /** [layer]: of a safetensors file. */
  readonly routings?: readonly Routing[];
}

/** Loads of a file (CSV, JSON, safetensors with topk_idx), or generated ones where none is named. */
export async function readLoads(path: string | undefined, options: LoadOptions): Promise<ReadLoads> {
  if (path === undefined) {
    const { skew, drift, seed } = options;
    return {
      source: `generated: skew ${skew}, drift ${drift}, seed ${seed}`,
      series: generateLoads(recipeOf(options)),
    };
  }
  if (extname(path) === '.safetensors') return readRoutingFile(path, options.experts);
  const text = await readText(path);
  const series = extname(path) === '.json' ? parseLoadsJson(text, path) : parseLoadsCsv(text, path);
  return { source: path, series };
}

/** The fields of a recipe among the options. */
export function recipeOf({ layers, experts, steps, tokens, topK, skew, drift, seed }: LoadOptions): LoadRecipe {
  return { layers, experts, steps, tokens, topK, skew, drift, seed };
}

async function readRoutingFile(path: string, experts: number): Promise<ReadLoads> {
  const file = await openSafetensorsFile(path);
  try {
    const routings = await readRoutings(file, experts);
    return { source: path, series: [routings.map(countExperts)], routings };
  } finally {
    await file.source.close?.();
  }
}

/** Tokens whose travel is counted: those of the file, or some drawn with the loads of a layer. */
export interface Sample {
  readonly layer: number;
  readonly routing: Routing;
  readonly drawn: boolean;
}

/** The routing of a layer: the file's own, or tokens drawn in proportion to its loads under the node limit of the gate. */
export function sampleOf({ routings }: ReadLoads, loads: ExpertLoads, layer: number, options: SampleOptions): Sample {
  const own = routings?.[layer];
  if (own !== undefined) return { layer, routing: own, drawn: false };
  const { sampleTokens, topK, seed, groups, groupLimit } = options;
  const routing = drawRouting(loads[layer]!, { tokens: sampleTokens, topK, seed, groups, groupLimit });
  return { layer, routing, drawn: true };
}

/** What {@link sampleOf} draws by. */
export interface SampleOptions {
  readonly sampleTokens: number;
  readonly topK: number;
  readonly seed: number;
  readonly groups: number;
  readonly groupLimit: number;
}

/** Writes a file that a command makes, whole or not at all, and says so. */
export async function writeOutput(path: string, content: string, io: Io): Promise<void> {
  await writeFileAtomically(path, content);
  io.stderr(`wrote ${path}\n`);
}

/** Refuses a name of an output whose ending says another format. */
export function requireEnding(path: string | undefined, endings: readonly string[], option: string): void {
  if (path === undefined || endings.includes(extname(path))) return;
  throw new Fp8labError(`${option} is ${path}`, {
    kind: 'usage',
    code: 'bad-ending',
    where: option,
    fix: `give a name that ends in ${endings.join(' or ')}`,
  });
}

/** A text file that a command reads. */
export function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause) => {
    throw readError(cause, path);
  });
}

/** Parses JSON that a command reads, as the one error class. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw inputError(
      `this is no JSON: ${(cause as Error).message}`,
      'bad-json',
      path,
      'give a file that fp8lab wrote',
      cause,
    );
  }
}

/** 12.3 kB, 4.56 MB, 7.89 GB: decimal units. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}`;
}
