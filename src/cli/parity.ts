import { resolve } from 'node:path';
import type { AdapterChoice, Backend, BackendName } from '../backends/backend.ts';
import { availableBackends, createBackend, isWebGpu, parseBackendName } from '../backends/registry.ts';
import type { ShaderSources } from '../backends/webgpu/link.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import { type ErrorData, type ParityRun, runSuite } from '../parity/suite.ts';
import { type EvidenceOutcome, openEvidence } from './evidence.ts';
import { gatherInputs } from './inputs.ts';
import type { Io } from './io.ts';
import { failureLines, parityTable, timesText, verdict } from './parity-text.ts';
import { type Part, partOf } from './part.ts';
import { startProgress } from './progress.ts';
import { keepDigests, prepareReport, writeReport } from './report.ts';
import { noShadersThere, readShaders } from './shaders.ts';
import { chooseSpecs } from './specs.ts';
import { variantsOf } from './variants.ts';

/** Options of `fp8lab parity`. */
export interface ParityOptions {
  readonly backends?: string;
  readonly adapter?: AdapterChoice;
  readonly tier?: Tier;
  readonly variant?: string;
  /** `[PATH=]FILE` each. */
  readonly shader?: readonly string[];
  readonly report?: string;
  readonly against?: string;
  readonly record?: string;
  readonly part?: Part;
  readonly large?: boolean;
  /** Seconds a spec may take on a backend. */
  readonly timeout?: number;
  readonly json?: boolean;
}

/** A backend this machine cannot run, and why. */
interface Absent {
  readonly name: BackendName;
  readonly error: Fp8labError;
}

interface Chosen {
  readonly backends: readonly Backend[];
  readonly absent: readonly Absent[];
}

/** The reference, then those asked for; without a list, all that this machine can run: of given shaders, those that run them. */
async function chooseBackends(options: ParityOptions, shaders: ShaderSources | undefined, io: Io): Promise<Chosen> {
  const availability = availableBackends({ adapter: options.adapter, env: io.env });
  const wanted = options.backends?.split(',').map((name) => parseBackendName(name.trim()));
  const names =
    wanted ?? availability.map(({ name }) => name).filter((name) => shaders === undefined || isWebGpu(name));
  const absent: Absent[] = [];
  const present: BackendName[] = ['reference'];
  for (const name of new Set(names)) {
    const missing = availability.find((backend) => backend.name === name)?.missing;
    if (missing !== undefined && wanted !== undefined) throw missing;
    if (missing !== undefined) absent.push({ name, error: missing });
    else if (name !== 'reference') present.push(name);
  }
  if (shaders !== undefined && !present.some(isWebGpu)) throw noShadersThere('--backends');
  const variants = variantsOf(options.variant, options.tier ?? 'exact');
  const backends = present.map((name) =>
    createBackend(name, { adapter: options.adapter, env: io.env, shaders, variants }),
  );
  return wanted === undefined ? leaveOutCuda({ backends, absent }) : { backends, absent };
}

/** Leaves native:cuda out where its runner says that it cannot work here: the files of a device do not tell whether it is a Hopper GPU. */
export async function leaveOutCuda({ backends, absent }: Chosen): Promise<Chosen> {
  const cuda = backends.find(({ name }) => name === 'native:cuda');
  const error = await cuda?.identify().then(
    () => undefined,
    (cause) => cause,
  );
  if (!(error instanceof Fp8labError)) return { backends, absent };
  return { backends: backends.filter((backend) => backend !== cuda), absent: [...absent, { name: cuda!.name, error }] };
}

/** Runs specs on backends and holds the results against the reference's. */
export async function parityCommand(names: readonly string[], options: ParityOptions, io: Io): Promise<number> {
  const tier = options.tier ?? 'exact';
  const all = await chooseSpecs(names, options.large ?? false);
  const specs = partOf(all, options.part);
  const given = options.shader && (await readShaders(options.shader));
  if (given && options.record !== undefined) throw noRecord();
  const report = options.report && resolve(options.report);
  if (report) await prepareReport(report);
  const { backends, absent } = await chooseBackends(options, given?.sources, io);
  const evidence = await openEvidence(options.against, options.record, tier, {
    recordReference: backends.length === 1,
  });
  const progress = startProgress(io, 'parity', specs.length * backends.length);
  const digests = keepDigests();
  let done = 0;
  const began = performance.now();
  try {
    const run = await runSuite(specs, backends, {
      tier,
      timeout: 1000 * (options.timeout ?? 300),
      signal: io.signal,
      inputsOf: ({ spec }) => gatherInputs(spec),
      onEntry: ({ spec, backend }) => progress.update(++done, `${backend} ${spec}`),
      onResult: async (spec, result) => {
        given?.note(result);
        await evidence.add(spec, result);
        await digests.add(spec, result);
      },
    });
    progress.stop();
    // A run that failed may have failed in the shader: its error says so.
    if (run.entries.every(({ error }) => error === undefined)) given?.requireUse();
    const seconds = (performance.now() - began) / 1000;
    print(run, absent, options, seconds, evidence.outcomes, io);
    if (report) {
      await writeReport(report, { run, tier, absent, seconds, evidence: evidence.outcomes, digests: digests.digests });
      if (!options.json) io.stdout(`report: ${report}\n`);
    }
    const unmatched = options.against !== undefined && evidence.outcomes.length === 0;
    return unmatched ? exitCodes.mismatch : exitCode(run, tier, evidence.outcomes);
  } finally {
    progress.stop();
    await Promise.all(backends.map((backend) => backend.close()));
  }
}

/** Evidence is what shipped shaders gave. */
function noRecord(): Fp8labError {
  return new Fp8labError('results of changed shaders are no evidence', {
    kind: 'usage',
    code: 'shader-evidence',
    where: '--record',
    fix: 'leave --record or --shader out; --against holds a changed shader against recorded evidence',
  });
}

function exitCode(run: ParityRun, tier: Tier, evidence: readonly EvidenceOutcome[]): number {
  const errors = run.entries.flatMap(({ error }) => error ?? []);
  if (errors.length > 0) return exitCodes[worstKind(errors)];
  const differs = tier === 'exact' && run.entries.some(({ mismatches }) => mismatches > 0);
  return differs || evidence.some(({ equal }) => !equal) ? exitCodes.mismatch : exitCodes.ok;
}

/** Of several failures the gravest decides the exit code. */
function worstKind(errors: readonly ErrorData[]): Exclude<keyof typeof exitCodes, 'ok'> {
  const order = ['interrupted', 'device', 'environment', 'input', 'usage', 'mismatch'] as const;
  return order.find((kind) => errors.some((error) => error.kind === kind)) ?? 'device';
}

function print(
  run: ParityRun,
  absent: readonly Absent[],
  options: ParityOptions,
  seconds: number,
  evidence: readonly EvidenceOutcome[],
  io: Io,
): void {
  if (options.json) {
    io.stdout(`${JSON.stringify(jsonOf(run, absent, seconds, evidence))}\n`);
    return;
  }
  io.stdout(`${parityTable(run, io)}\n`);
  for (const identity of run.identities) {
    const adapter =
      identity.adapter &&
      `, ${identity.adapter}${identity.software && identity.backend.startsWith('webgpu:') ? ' (software: a CPU, not a GPU)' : ''}`;
    io.stdout(`${identity.backend}: ${identity.runtime}${adapter}; ${timesText(run, identity.backend)}\n`);
    const left = run.specs.length - run.entries.filter(({ backend }) => backend === identity.backend).length;
    if (left > 0) io.stdout(`${identity.backend}: ${left} specs left out, whose kernels it does not have\n`);
  }
  for (const { name, error } of absent) io.stdout(`${name}: not here: ${error.message}\n`);
  if (options.against !== undefined && evidence.length === 0) {
    io.stdout(`evidence: ${options.against} holds none for these specs\n`);
  }
  for (const line of failureLines(run)) io.stdout(`${line}\n`);
  for (const { spec, backend, equal, message } of evidence) {
    if (!equal) io.stdout(`evidence: ${spec} on ${backend}: ${message}\n`);
  }
  io.stdout(`${verdict(run, options.tier ?? 'exact', seconds, evidence, io)}\n`);
}

function jsonOf(
  run: ParityRun,
  absent: readonly Absent[],
  seconds: number,
  evidence: readonly EvidenceOutcome[],
): object {
  return {
    schemaVersion: 1,
    seconds,
    backends: run.identities,
    absent: absent.map(({ name, error }) => ({ backend: name, ...error.toJSON() })),
    results: run.entries,
    ...(evidence.length > 0 && { evidence }),
  };
}
