import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { type Conversion, type ConvertOptions, type ConvertReport, convertCheckpoint } from '../checkpoint/convert.ts';
import { mostWorkers } from '../checkpoint/pool.ts';
import { exitCodes } from '../errors.ts';
import { shortName } from '../tensors/header.ts';
import type { Io } from './io.ts';
import { parseCount, parsePart } from './part.ts';
import { startProgress } from './progress.ts';

/** Options that `quantize` and `dequantize` share. */
export interface ConversionOptions {
  readonly input: string;
  readonly output: string;
  /** `i/n`. */
  readonly part?: string;
  readonly workers?: string | number;
  readonly force?: boolean;
  readonly verify?: boolean;
  readonly json?: boolean;
}

/** Runs a conversion with a progress bar and prints what came of it. `describe` gives the words and JSON fields of the plan. */
export async function runConversion<P extends Conversion>(
  options: ConversionOptions,
  io: Io,
  plan: (checkpoint: Checkpoint) => P,
  describe: (plan: P) => { readonly lines: readonly string[]; readonly json: Readonly<Record<string, unknown>> },
): Promise<number> {
  const settings: ConvertOptions = {
    ...(options.part !== undefined && { part: parsePart(options.part) }),
    ...(options.workers !== undefined && { workers: parseCount(options.workers, '--workers', 0, mostWorkers) }),
    ...(options.force && { force: true }),
    ...(options.verify && { verify: true }),
    signal: io.signal,
  };
  const checkpoint = await openCheckpoint(options.input);
  const planned = plan(checkpoint);
  const report = await withProgress(io, (onProgress) =>
    convertCheckpoint(checkpoint, options.output, planned, { ...settings, onProgress }),
  );
  const words = describe(planned);
  if (options.json) {
    const { input, output } = options;
    io.stdout(`${JSON.stringify({ schemaVersion: 1, input, output, ...words.json, ...report }, null, 2)}\n`);
  } else {
    io.stdout(`${[...words.lines, ...reportLines(report, options)].join('\n')}\n`);
  }
  return report.verified !== undefined && report.verified.mismatches > 0 ? exitCodes.mismatch : exitCodes.ok;
}

async function withProgress<T>(
  io: Io,
  work: (onProgress: NonNullable<ConvertOptions['onProgress']>) => Promise<T>,
): Promise<T> {
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  let bar: ReturnType<typeof startProgress> | undefined;
  const started = performance.now();
  try {
    return await work((done, total, shard) => {
      if (performance.now() - started > 1000) bar ??= startProgress(io, 'MB', megabytes(total));
      bar?.update(megabytes(done), shard);
    });
  } finally {
    bar?.stop();
  }
}

function reportLines(report: ConvertReport, { output }: ConversionOptions): readonly string[] {
  const count = (state: string): number => report.shards.filter((shard) => shard.state === state).length;
  const rate = report.seconds > 0 ? Math.round(report.bytes / 1e6 / report.seconds) : 0;
  const lines = [
    `shards: ${count('written')} written, ${count('kept')} complete already, ${count('other-part')} of other parts`,
    `input: ${Math.round(report.bytes / 1e6)} MB in ${report.seconds.toFixed(1)} s, ${rate} MB/s, ${report.workers} workers`,
  ];
  if (report.lost.length > 0) {
    const [first] = report.lost;
    const more = report.lost.length > 1 ? ` and ${report.lost.length - 1} more tensors` : '';
    lines.push(
      `NaN or Inf: ${first!.elements} elements of ${shortName(first!.tensor)}${more} came out as NaN, each with its whole tile; fp8lab inspect has the input's`,
    );
  }
  if (report.verified !== undefined) {
    lines.push(
      `verified: ${report.verified.tensors} weights read back, ${report.verified.mismatches} bytes differ from the reference`,
    );
  }
  lines.push(report.complete ? `complete: ${output}` : `not complete yet: other parts are missing in ${output}`);
  return lines;
}
