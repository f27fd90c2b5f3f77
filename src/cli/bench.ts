import { createWebGpuBackend } from '../backends/webgpu/backend.ts';
import type { DispatchTime, SpecTimes } from '../backends/webgpu/bench.ts';
import type { Peaks } from '../backends/webgpu/peaks.ts';
import { leastTime } from '../backends/webgpu/timing.ts';
import { exitCodes } from '../errors.ts';
import { loadSpecs } from '../specs/load.ts';
import { type BenchCommandOptions, describeIdentity, expectedResults, milliseconds } from './bench-parts.ts';
import { byTimestamps, chartsOf, columns, inShaders, rowsOf } from './bench-rows.ts';
import { type BackendRun, type BenchEntry, chooseBackends, timeBackend } from './bench-run.ts';
import { parseSweep, type SweptSpec, sweptSpecs } from './bench-sweep.ts';
import { benchVariants } from './bench-variants.ts';
import { type Io, notifier } from './io.ts';
import { specFolder } from './specs.ts';
import { checkFolder, writeStudy } from './study/output.ts';
import { table } from './table.ts';
import { parseVariants } from './variants.ts';
import { packageVersion } from './version.ts';

/** Specs that are timed where none is named. */
const defaultSpecs = [
  'gemm/bench-1024',
  'quantize/bench-1024x7168',
  'dequantize/bench-1024x7168',
  'requantize/bench-1024x7168',
];

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** The share of what the adapter reaches: of multiply-adds for the product's dispatches, of copy bandwidth for the others. */
function shareOfPeak({ multiplyAdds, times: { peaks } }: BenchEntry, dispatch: DispatchTime): string {
  if (dispatch.entryPoint === 'multiply') {
    const rate = multiplyAdds / ((leastTime(dispatch) * dispatch.count) / 1000);
    return `${(rate / 1e9).toFixed(3)} G multiply-adds/s, ${percent(rate / peaks.outerProducts)} of sums in registers, ${percent(rate / peaks.multiplyAdds)} of peak`;
  }
  const rate = dispatch.bytes / (leastTime(dispatch) / 1000);
  return `${(rate / 1e9).toFixed(2)} GB/s, ${percent(rate / peaks.copyBytes)} of copy`;
}

const peaksText = ({ multiplyAdds, outerProducts, copyBytes }: Peaks): string =>
  `  peaks in the same rounds: ${(multiplyAdds / 1e9).toFixed(2)} G multiply-adds/s, ${(outerProducts / 1e9).toFixed(2)} into 8 x 8 sums, copy ${(copyBytes / 1e9).toFixed(2)} GB/s\n`;

/** The two clocks against each other; a wait that is polled makes the wall clock say more. */
function timestampsText(times: SpecTimes): string {
  const device = byTimestamps(times);
  if (device === undefined) return '';
  return `  by the device's timestamps ${milliseconds(device)} ms in shaders, ${percent(device / inShaders(times))} of what the wall clock says\n`;
}

function entryText(entry: BenchEntry): string {
  const { times } = entry;
  const rows = times.dispatches.map((dispatch) => [
    `  ${dispatch.shader.replace('kernels/', '')}:${dispatch.entryPoint}${dispatch.count > 1 ? ` x ${dispatch.count}` : ''}`,
    `${milliseconds(dispatch.time.median)} ms`,
    `${milliseconds(dispatch.time.min)} to ${milliseconds(dispatch.time.max)}`,
    shareOfPeak(entry, dispatch),
  ]);
  const { whole, upload, readback, first, compile } = times;
  const lines = [
    `  whole run ${milliseconds(whole.median)} ms: in shaders ${percent(inShaders(times) / whole.median)}, uploading ${milliseconds(upload)} ms, reading back ${milliseconds(readback)} ms\n`,
    `  the first ${milliseconds(first)} ms, of it compiling ${milliseconds(compile)} ms\n`,
    timestampsText(times),
    times.variants.length > 0 ? `  variants ${times.variants.join(', ')}\n` : '',
  ];
  return `${entry.spec} (${entry.tier})\n${table(rows)}${lines.join('')}${peaksText(times.peaks)}`;
}

/** `fp8lab bench`: what kernels cost on this machine's adapters, after their results are verified. */
export async function benchCommand(names: readonly string[], options: BenchCommandOptions, io: Io): Promise<number> {
  const variants = parseVariants(options.variant);
  if (options.against !== undefined) {
    const { benchAgainst } = await import('./bench-against.ts');
    return benchAgainst(names, { ...options, against: options.against }, variants, io);
  }
  const loaded = await loadSpecs(names.length > 0 ? names : defaultSpecs, specFolder());
  const sweeps = (options.sweep ?? []).map(parseSweep);
  const specs = loaded.flatMap((spec): SweptSpec[] =>
    sweeps.length > 0 ? sweptSpecs(spec, sweeps) : [{ ...spec, origin: spec.label, extents: '', value: 0 }],
  );
  if (options.everyVariant) return benchVariants(specs, options, io);
  const leave = options.out === undefined ? undefined : await checkFolder(options.out, '--out');
  const settings = { tier: options.tier ?? 'exact', samples: options.samples ?? 5, batch: options.batch ?? 50 };
  const chosen = chooseBackends(options, io);
  const runs: BackendRun[] = [];
  try {
    const expected = await expectedResults(specs, io);
    for (const name of chosen) {
      const backend = createWebGpuBackend(name, {
        adapter: options.adapter ?? 'auto',
        env: io.env,
        variants,
        notify: notifier(io),
      });
      try {
        const run = await timeBackend(backend, specs, expected, settings, io);
        runs.push(run);
        if (!options.json) io.stdout(`${describeIdentity(run.identity)}${run.entries.map(entryText).join('')}\n`);
      } finally {
        await backend.close();
      }
    }
  } catch (error) {
    await leave?.();
    throw error;
  }
  const files =
    options.out === undefined ? [] : await writeRows(options.out, names, options, settings, runs, specs, io);
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, settings, runs, files })}\n`);
  else io.stdout(files.map((file) => `wrote ${file}\n`).join(''));
  return exitCodes.ok;
}

/** CSV and charts of all runs. */
async function writeRows(
  folder: string,
  names: readonly string[],
  { sweep = [], backends, tier }: BenchCommandOptions,
  settings: Readonly<Record<string, unknown>>,
  runs: readonly BackendRun[],
  specs: readonly SweptSpec[],
  io: Io,
): Promise<readonly string[]> {
  const rows = rowsOf(runs, specs);
  const words = [
    ...['fp8lab', 'bench', ...names],
    ...sweep.flatMap((text) => ['--sweep', text]),
    ...(tier === undefined ? [] : ['--tier', tier]),
    ...(backends === undefined ? [] : ['--backends', backends]),
  ];
  const record = {
    study: 'bench',
    command: words.join(' '),
    version: packageVersion(),
    options: settings,
    inputs: [],
    notes: runs.map(({ identity }) => describeIdentity(identity).trim()),
  };
  return writeStudy(folder, record, { name: 'bench', columns }, rows, chartsOf(rows), io);
}
