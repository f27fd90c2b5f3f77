import { createHash } from 'node:crypto';
import type { AdapterChoice, RunResult } from '../backends/backend.ts';
import { createBackend, isWebGpu, parseBackendName } from '../backends/registry.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import { canonicalJson, specIdentity } from '../specs/canonical.ts';
import { type LoadedSpec, loadSpecs } from '../specs/load.ts';
import { requireWritable, writeTensors } from '../tensors/files.ts';
import { packCodes } from '../tensors/packing.ts';
import { checkInputs, gatherInputs } from './inputs.ts';
import { type Io, notifier } from './io.ts';
import { noShadersThere, readShaders } from './shaders.ts';
import { specFolder } from './specs.ts';
import { table } from './table.ts';
import { variantsOf } from './variants.ts';

/** Options of `fp8lab run`. */
export interface RunCommandOptions {
  readonly backend?: string;
  readonly adapter?: AdapterChoice;
  readonly tier?: Tier;
  readonly variant?: string;
  /** `[PATH=]FILE` each. */
  readonly shader?: readonly string[];
  readonly inputs?: string;
  readonly out?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly json?: boolean;
}

/** The one spec that a name stands for. */
export async function loadOne(name: string): Promise<LoadedSpec> {
  const specs = await loadSpecs([name], specFolder());
  if (specs.length === 1) return specs[0]!;
  throw new Fp8labError(`${name} holds ${specs.length} specs, and this command takes one`, {
    kind: 'usage',
    code: 'one-spec',
    where: name,
    fix: 'name one spec file',
  });
}

/** Runs one spec on one backend; prints digests, writes the result tensors where asked. */
export async function runCommand(name: string, options: RunCommandOptions, io: Io): Promise<number> {
  const { spec, label } = await loadOne(name);
  const inputs = await gatherInputs(spec, options.inputs);
  if (options.inputs !== undefined) checkInputs(spec, inputs, options.inputs);
  if (options.out !== undefined) await requireWritable(options.out);
  const given = options.shader && (await readShaders(options.shader));
  const chosen = parseBackendName(options.backend ?? (given ? 'webgpu:node' : 'reference'), '--backend');
  if (given && !isWebGpu(chosen)) throw noShadersThere(`--backend ${chosen}`);
  const tier = options.tier ?? 'exact';
  const variants = variantsOf(options.variant, tier);
  const backend = createBackend(chosen, {
    adapter: options.adapter,
    env: io.env,
    shaders: given?.sources,
    variants,
    notify: notifier(io),
  });
  try {
    const result = await backend.run(spec, {
      tier,
      timeout: 1000 * (options.timeout ?? 600),
      signal: io.signal,
      ...(inputs && { inputs }),
    });
    given?.note(result);
    given?.requireUse();
    const identity = await specIdentity(spec);
    if (options.out !== undefined) {
      await writeTensors(options.out, result.tensors, { spec: canonicalJson(spec), spec_identity: identity });
    }
    io.stdout(options.json ? `${JSON.stringify(jsonOf(label, identity, result))}\n` : textOf(label, result));
    return exitCodes.ok;
  } finally {
    await backend.close();
  }
}

function digests(result: RunResult): { name: string; dtype: string; shape: readonly number[]; sha256: string }[] {
  return Object.entries(result.tensors).map(([name, { dtype, shape, codes }]) => ({
    name,
    dtype,
    shape,
    sha256: createHash('sha256').update(packCodes(codes, dtype)).digest('hex'),
  }));
}

function jsonOf(label: string, identity: string, result: RunResult): object {
  return {
    schemaVersion: 1,
    spec: label,
    identity,
    backend: result.identity,
    times: result.times,
    tensors: digests(result),
  };
}

function textOf(label: string, result: RunResult): string {
  const rows = digests(result).map(({ name, dtype, shape, sha256 }) => [name, dtype, `[${shape.join(', ')}]`, sha256]);
  const { backend, runtime, adapter } = result.identity;
  const head = `${label} on ${backend} (${[runtime, adapter].filter(Boolean).join(', ')}), ${result.times.kernel.toFixed(1)} ms\n`;
  return head + table([['tensor', 'dtype', 'shape', 'sha256'], ...rows]);
}
