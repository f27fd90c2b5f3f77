import type { BackendIdentity } from '../backends/backend.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../backends/webgpu/backend.ts';
import type { TrialRequest } from '../backends/webgpu/jobs.ts';
import type { Trial, Tried } from '../backends/webgpu/trial.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { type BenchCommandOptions, describeIdentity, limit, milliseconds } from './bench-parts.ts';
import { chooseBackends } from './bench-run.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

/** A spec's variants on a backend. */
interface VariantsEntry {
  readonly spec: string;
  readonly tried: readonly Tried[];
}

/** Options that say something of one variant, or of no variants at all. */
function requireFitting({ variant, out }: BenchCommandOptions): void {
  const odd = [variant && '--variant', out && '--out'].find(Boolean);
  if (!odd) return;
  throw new Fp8labError(`${odd} says nothing where every variant of the fast tier is timed`, {
    kind: 'usage',
    code: 'every-variant',
    where: '--every-variant',
    fix: `leave ${odd} or --every-variant out; --json prints the times for other programs`,
  });
}

/** `fp8lab bench --every-variant`: of every family that a spec's kernel has, each variant's least time on the spec, those that are refused with the reason. */
export async function benchVariants(
  specs: readonly LoadedSpec[],
  options: BenchCommandOptions,
  io: Io,
): Promise<number> {
  requireFitting(options);
  const measured = { samples: options.samples ?? 5, batch: options.batch ?? 50 };
  const runs: { identity: BackendIdentity; entries: VariantsEntry[] }[] = [];
  for (const name of chooseBackends(options, io)) {
    const backend = createWebGpuBackend(name, { adapter: options.adapter ?? 'auto', env: io.env });
    try {
      const { identity } = await backend.start({ timeout: limit, signal: io.signal });
      if (!options.json) io.stdout(describeIdentity(identity));
      const entries: VariantsEntry[] = [];
      for (const spec of specs) {
        io.stderr(`${name}: ${spec.label}\n`);
        const entry = await tryOn(backend, spec, measured, io);
        entries.push(entry);
        if (!options.json) io.stdout(entryText(entry));
      }
      runs.push({ identity, entries });
    } finally {
      await backend.close();
    }
  }
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, settings: measured, runs })}\n`);
  return exitCodes.ok;
}

async function tryOn(
  backend: WebGpuBackend,
  { label, spec }: LoadedSpec,
  measured: TrialRequest['measured'],
  io: Io,
): Promise<VariantsEntry> {
  const names = (kernelOf(spec).families ?? []).map((family) => family.name);
  const asked: TrialRequest = { names, timed: [spec], measured };
  const { value } = await backend.request<Trial>('trial', asked, {}, { timeout: limit, signal: io.signal });
  return { spec: label, tried: value.tried };
}

function entryText({ spec, tried }: VariantsEntry): string {
  const firsts = new Map<string, Tried>();
  for (const each of tried) if (each.time !== undefined && !firsts.has(each.family)) firsts.set(each.family, each);
  // A family that the spec has no use for says nothing.
  const rows = tried.flatMap(({ family, variant, time, refused }) => {
    const first = firsts.get(family);
    if (first === undefined) return [];
    const name = `  ${family}=${variant}`;
    if (time === undefined) return [[name, '', refused ?? '']];
    const ratio =
      variant === first.variant ? '' : `${(first.time! / time).toFixed(2)} times as fast as ${first.variant}`;
    return [[name, `${milliseconds(time)} ms`, ratio]];
  });
  return `${spec}\n${rows.length > 0 ? table(rows) : '  no variants\n'}`;
}
