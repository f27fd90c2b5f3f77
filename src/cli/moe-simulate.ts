import { exitCodes } from '../errors.ts';
import { balanceOf } from '../moe/loads.ts';
import { policiesPicture } from '../moe/picture/policies.ts';
import { comparePolicies, type Policy, type PolicyResult } from '../moe/policies.ts';
import type { Io } from './io.ts';
import { bytesText, type LoadOptions, readLoads, requireEnding, writeOutput } from './moe.ts';
import { table } from './table.ts';

/** Options of `fp8lab moe simulate`. */
export interface MoeSimulateOptions extends LoadOptions {
  readonly nodes: number;
  readonly gpus: number;
  readonly redundant: number;
  readonly window: number;
  readonly every: number;
  readonly minGain: number;
  readonly hosted: number;
  readonly active: number;
  readonly expertBytes: number;
  readonly out?: string;
  readonly picture?: string;
}

const names: Readonly<Record<Policy, string>> = {
  even: 'placed evenly',
  once: 'duplicates planned once',
  replanned: 'duplicates re-planned',
  dynamic: 'dynamic, optimum a step',
};

/** `fp8lab moe simulate`: a series of loads under four ways to place experts. */
export async function moeSimulateCommand(
  path: string | undefined,
  options: MoeSimulateOptions,
  io: Io,
): Promise<number> {
  requireEnding(options.out, ['.json'], '--out');
  requireEnding(options.picture, ['.svg'], '--picture');
  const { source, series } = await readLoads(path, options);
  const { nodes, gpus, redundant, window, every, minGain, hosted, active } = options;
  const cluster = { nodes, gpus };
  const results = comparePolicies(series, { cluster, redundant, window, every, minGain, hosted, active });
  const json = {
    schemaVersion: 1,
    source,
    cluster,
    redundant,
    window,
    every,
    minGain,
    hosted,
    active,
    policies: results.map((result) => ({ ...result, ...summary(result, options.expertBytes) })),
  };
  if (options.out !== undefined) await writeOutput(options.out, `${JSON.stringify(json)}\n`, io);
  if (options.picture !== undefined) {
    const title = `${series.length} steps, ${series[0]!.length} layers, ${series[0]![0]!.length} experts on ${gpus} GPUs in ${nodes} nodes; loads ${source}`;
    await writeOutput(
      options.picture,
      policiesPicture(results, names, { title, window, bytesPerExpert: options.expertBytes }),
      io,
    );
  }
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : text(results, options));
  return exitCodes.ok;
}

interface Summary {
  readonly mean: number;
  readonly worst: number;
  readonly copies: number;
  readonly bytes: number;
}

function summary({ steps, replans }: PolicyResult, expertBytes: number): Summary {
  const copies = replans.reduce((sum, { moves }) => sum + moves.copies, 0);
  return {
    mean: balanceOf(steps.map((step) => step.mean)).mean,
    worst: Math.max(...steps.map((step) => step.worst)),
    copies,
    bytes: copies * expertBytes,
  };
}

function text(
  results: readonly PolicyResult[],
  { window, every, expertBytes, hosted, active }: MoeSimulateOptions,
): string {
  const head = ['policy', 'max/mean load', 'worst', 'plans taken', 'experts copied', 'bytes'];
  const rows = results.map((result) => {
    const { mean, worst, copies, bytes } = summary(result, expertBytes);
    const taken = result.replans.filter(({ taken }) => taken).length;
    return [
      names[result.policy],
      mean.toFixed(3),
      worst.toFixed(3),
      `${taken} of ${result.replans.length}`,
      String(copies),
      bytesText(bytes),
    ];
  });
  const { proven } = results.at(-1)!;
  return `${table([head, ...rows])}
Steps after the first ${window}, each under the placement made before it; plans every ${every} steps.
Dynamic: ${hosted} experts hosted, at most ${active} active a step; ${proven!.optimal} of ${proven!.of} assignments proven optimal.
`;
}
