import { z } from 'zod';
import { inputError } from '../errors.ts';
import { hardwareNames } from './names.ts';
import b200 from './profiles/b200.json' with { type: 'json' };
import h100 from './profiles/h100.json' with { type: 'json' };
import h200 from './profiles/h200.json' with { type: 'json' };
import h800 from './profiles/h800.json' with { type: 'json' };

const figure = (what: string) =>
  z
    .strictObject({
      value: z.number().positive().describe(what),
      source: z.string().min(1).describe('where the figure is from; "assumed" and why, where nobody published one'),
    })
    .describe(what);

const share = (what: string) => figure(what).refine(({ value }) => value <= 1, { message: 'a share of at most 1' });

/** A node type: what its GPUs and links can do, and how much of it kernels reach. Every figure says where it is from. */
export const hardwareSchema = z.strictObject({
  name: z.string().min(1),
  gpusPerNode: z.int().positive(),
  sms: z.int().positive(),
  fp8Tflops: figure('dense FP8 peak of the data sheet, TFLOPS'),
  bf16Tflops: figure('dense BF16 peak of the data sheet, TFLOPS'),
  clockMHz: z
    .strictObject({
      boost: figure('clock at which the peaks hold, MHz'),
      load: figure('clock of tensor cores kept busy, MHz'),
    })
    .refine(({ boost, load }) => load.value <= boost.value, {
      message: 'the clock under load is above that of the peaks',
    }),
  hbmGBs: figure('HBM, GB/s'),
  hbmGB: figure('HBM, GB'),
  nvlinkGBs: figure('NVLink of a GPU, GB/s each way'),
  ibGBs: figure('network card of a GPU, GB/s each way'),
  efficiency: z.strictObject({
    gemm: z
      .array(z.strictObject({ n: z.int().positive(), k: z.int().positive(), tflops: z.number().positive() }))
      .min(1)
      .describe('FP8 gemm of many rows on all SMs, by shape'),
    gemmSource: z.string().min(1),
    groupedGemm: figure('grouped FP8 gemm against a plain one of the same shape'),
    prefillAttention: share('core attention of long prompts, of the BF16 peak'),
    decodeAttention: share('core attention of single tokens, of the BF16 peak'),
    backwardAttention: share('backward of core attention, of the BF16 peak'),
    bf16Gemm: share('BF16 gemms, of the peak at the clock under load'),
    weightGemm: figure('FP8 gemms of weight gradients against those of outputs'),
    hbm: share('gemms of few rows, of the HBM'),
    cache: share('attention over a cache, of the HBM'),
    elementwise: share('casts, norms, permutation, of the HBM'),
    nvlink: share('all-to-all, of NVLink'),
    ib: share('all-to-all, of the network card'),
    smsForFullLinks: figure('SMs that the all-to-all needs to fill the links'),
    besideKernels: share('links of a normal all-to-all while kernels run on the other SMs, of what it reaches alone'),
  }),
  latency: z.strictObject({
    kernelUs: figure('a kernel beyond its roofline, microseconds'),
    ibgdaUs: figure('a low-latency all-to-all beyond its bytes, started by the GPU, microseconds'),
    proxyUs: figure('the same where a CPU thread starts each message, microseconds'),
    normalUs: figure('a normal all-to-all beyond its bytes, microseconds'),
  }),
});

/** A node type; see {@link hardwareSchema}. */
export type Hardware = z.infer<typeof hardwareSchema>;

const shipped: Readonly<Record<(typeof hardwareNames)[number], unknown>> = { h800, h100, h200, b200 };

/** A shipped node type. */
export function hardwareOf(name: string): Hardware {
  const profile = (shipped as Readonly<Record<string, unknown>>)[name.toLowerCase()];
  if (profile !== undefined) return parseHardware(profile, name);
  const fix = `choose one of ${hardwareNames.join(', ')}, or give a JSON file`;
  throw inputError(`there is no node type "${name}"`, 'unknown-hardware', '--hardware', fix);
}

/** Checks a node type that a user wrote. */
export function parseHardware(value: unknown, where: string): Hardware {
  const parsed = hardwareSchema.safeParse(value);
  if (parsed.success) {
    requireBelowPeak(parsed.data, where);
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  const path = issue!.path.join('.');
  throw inputError(
    `${path || 'the profile'}: ${issue!.message}`,
    'bad-hardware',
    where,
    'compare it with a shipped profile: `fp8lab simulate hardware h800`',
  );
}

/** Refuses gemms that are faster than the tensor cores. */
export function requireBelowPeak({ efficiency, fp8Tflops }: Hardware, where: string): void {
  const over = efficiency.gemm.find(({ tflops }) => tflops > fp8Tflops.value);
  if (over === undefined) return;
  const problem = `a gemm of n ${over.n} and k ${over.k} reaches ${over.tflops} TFLOPS, above the peak of ${fp8Tflops.value}`;
  throw inputError(problem, 'bad-hardware', where, 'mend the speed or the peak');
}

/** Peaks at the clock under load, TFLOPS: what no kernel goes beyond. */
export function peaksUnderLoad({ fp8Tflops, bf16Tflops, clockMHz }: Hardware): { fp8: number; bf16: number } {
  const share = clockMHz.load.value / clockMHz.boost.value;
  return { fp8: fp8Tflops.value * share, bf16: bf16Tflops.value * share };
}

/** Where each figure of a node type is from, by its path: `efficiency.ib`. */
export function sourcesOf(hardware: Hardware): Record<string, string> {
  const sources: Record<string, string> = { 'efficiency.gemm': hardware.efficiency.gemmSource };
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    if ('source' in value) sources[path] = String(value.source);
    else for (const [name, part] of Object.entries(value)) visit(part, path === '' ? name : `${path}.${name}`);
  };
  visit(hardware, '');
  return sources;
}
