import { inputError } from '../errors.ts';
import { type Hardware, requireBelowPeak } from './hardware.ts';

/** A line that `fp8lab-bench run` prints. */
type BenchLine = Readonly<Record<string, unknown>>;

/** A gemm that was timed. */
interface TimedGemm {
  readonly grouped: boolean;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly tflops: number;
}

/** Rows from which on a gemm is bound by its arithmetic, and up to which by its weights' way from HBM, on every GPU the profiles know. */
const manyRows = 1024;
const fewRows = 128;

/**
 * A node type whose kernels are as fast as `fp8lab-bench run` measured: speeds of dense gemms of many rows by shape, of grouped ones against them, those of few
 * rows and casts as shares of HBM. What was not measured stays as the profile has it; the source of each figure says which.
 * @param text the lines that the bench printed, each a JSON object
 */
export function measuredHardware(hardware: Hardware, text: string, where: string): Hardware {
  const lines = parseLines(text, where);
  const device = String(lines.find((line) => typeof line.device === 'string')?.device ?? 'an unnamed device');
  const source = `measured by fp8lab-bench on ${device}`;
  const gemms = lines.filter(isTimedGemm).map(timedGemm);
  const dense = fastest(gemms.filter(({ grouped, m }) => !grouped && m >= manyRows));
  if (dense.length === 0) {
    const problem = `no line times a dense gemm of at least ${manyRows} rows by fp8lab`;
    throw inputError(problem, 'no-measurements', where, 'give what `fp8lab-bench run` printed');
  }
  const { efficiency } = hardware;
  const grouped = groupedFactor(fastest(gemms.filter((gemm) => gemm.grouped && gemm.m >= manyRows)), dense);
  const ofHbm = (wanted: readonly BenchLine[]): number | undefined => {
    const share = mean(wanted.map((line) => (line.coldBytesPerSecond as number) / (hardware.hbmGBs.value * 1e9)));
    return share === undefined ? undefined : Math.min(1, share);
  };
  const casts = ofHbm(lines.filter(isCast));
  const narrow = ofHbm(lines.filter((line) => isTimedGemm(line) && line.grouping === 'dense' && isNarrow(line)));
  const measured = {
    ...hardware,
    name: `${hardware.name}, kernels ${source}`,
    efficiency: {
      ...efficiency,
      gemm: dense.map(({ n, k, tflops }) => ({ n, k, tflops })),
      gemmSource: source,
      ...(grouped === undefined ? {} : { groupedGemm: { value: grouped, source } }),
      ...(casts === undefined ? {} : { elementwise: { value: casts, source } }),
      ...(narrow === undefined ? {} : { hbm: { value: narrow, source } }),
    },
  };
  requireBelowPeak(measured, where);
  return measured;
}

function parseLines(text: string, where: string): BenchLine[] {
  return text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return [];
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null) return [value as BenchLine];
    } catch {
      // Falls through to the one error below, which names the line.
    }
    throw inputError(
      'this is no JSON object',
      'bad-json',
      `${where}, line ${at + 1}`,
      'give what `fp8lab-bench run` printed',
    );
  });
}

function isTimedGemm(line: BenchLine): boolean {
  const numbers = [line.m, line.n, line.k, line.sustainedFlops];
  // Forced tiles are trials; peers are not what the product runs.
  const own = typeof line.implementation === 'string' && /^fp8lab( \((?!forced)|$)/.test(line.implementation);
  return (
    line.kernel === 'gemm' &&
    own &&
    numbers.every((value) => typeof value === 'number' && Number.isFinite(value) && value > 0)
  );
}

const timedGemm = (line: BenchLine): TimedGemm => ({
  grouped: line.grouping === 'contiguous',
  m: line.m as number,
  n: line.n as number,
  k: line.k as number,
  tflops: (line.sustainedFlops as number) / 1e12,
});

const isCast = (line: BenchLine): boolean =>
  line.kernel === 'quantize 1x128' && typeof line.coldBytesPerSecond === 'number' && line.coldBytesPerSecond > 0;

const isNarrow = (line: BenchLine): boolean =>
  (line.m as number) <= fewRows && typeof line.coldBytesPerSecond === 'number' && line.coldBytesPerSecond > 0;

/** Of each shape the fastest number of rows. */
function fastest(gemms: readonly TimedGemm[]): TimedGemm[] {
  const best = new Map<string, TimedGemm>();
  for (const gemm of gemms) {
    const key = `${gemm.n}x${gemm.k}`;
    if (gemm.tflops > (best.get(key)?.tflops ?? 0)) best.set(key, gemm);
  }
  return Array.from(best.values());
}

/** Grouped over dense, of the shapes that were timed as both. */
function groupedFactor(grouped: readonly TimedGemm[], dense: readonly TimedGemm[]): number | undefined {
  return mean(
    grouped.flatMap(({ n, k, tflops }) => {
      const plain = dense.find((gemm) => gemm.n === n && gemm.k === k);
      return plain === undefined ? [] : [tflops / plain.tflops];
    }),
  );
}

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
