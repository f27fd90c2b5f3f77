import type { Backend, BackendIdentity, BackendName, RunOptions, RunResult, RunTimes } from '../backends/backend.ts';
import { Fp8labError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import type { LoadedSpec } from '../specs/load.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { type Comparison, compareResults } from './compare.ts';

/** An error as data: what `--json` and the report show. */
export interface ErrorData {
  readonly kind: string;
  readonly code: string;
  readonly message: string;
  readonly where: string;
  readonly fix: string;
}

/** One spec on one backend, held against the reference. */
export interface ParityEntry {
  /** `kernel/name`. */
  readonly spec: string;
  readonly backend: BackendName;
  readonly tier: Tier;
  readonly elements: number;
  /** Elements whose bits differ from the reference; in the fast tier that is no failure. */
  readonly mismatches: number;
  readonly times?: RunTimes;
  readonly comparison?: Comparison;
  readonly error?: ErrorData;
}

/** A differing result with what is needed to show where and why. */
export interface Difference {
  readonly spec: LoadedSpec;
  readonly backend: BackendName;
  readonly inputs: Tensors | undefined;
  readonly expected: Tensors;
  readonly actual: Tensors;
  readonly comparison: Comparison;
}

/** Everything a parity run found. */
export interface ParityRun {
  readonly specs: readonly LoadedSpec[];
  readonly identities: readonly BackendIdentity[];
  readonly entries: readonly ParityEntry[];
  /** Differing results, kept up to a bound in memory. */
  readonly differences: readonly Difference[];
}

/** How a run is made. */
export interface SuiteOptions {
  readonly tier?: Tier;
  /** Milliseconds a spec may take on a backend. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Inputs of specs that read files; undefined lets the backend generate them. */
  inputsOf?(spec: LoadedSpec): Promise<Tensors | undefined>;
  /** Called with every outcome, the reference's own too. */
  onEntry?(entry: ParityEntry): void;
  /** Called with each result before its tensors are let go. */
  onResult?(spec: LoadedSpec, result: RunResult): Promise<void> | void;
}

/** Specs that a backend is told of ahead: enough for it to use the time that long ones give for the many short ones. */
const toldAhead = 64;

/** Runs that a backend which queues them is given at once. */
const givenAtOnce = 8;

/** Kernels that keep a device busy for long with few shaders: while theirs run, those of the others are compiled. */
const longFirst: readonly string[] = ['gemm', 'grouped-gemm'];

/** Bytes of differing tensors that are kept for the report. */
const keptBytes = 256 * 2 ** 20;

/** An error as data. */
export function errorData(error: unknown): ErrorData {
  if (error instanceof Fp8labError) {
    const { kind, code, message, where, fix } = error;
    return { kind, code, message, where, fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'device', code: 'unexpected', message, where: '', fix: 'report this as a bug, with the command' };
}

/**
 * Runs specs on backends, all backends at once, each through the list in the same order (products first), and holds every result against the reference's.
 * The first backend is the reference. A spec whose kernel a backend lacks has no entry. A failure on one spec is an entry; the run goes on with the next.
 * Throws only when interrupted.
 */
export async function runSuite(
  specs: readonly LoadedSpec[],
  backends: readonly Backend[],
  options: SuiteOptions = {},
): Promise<ParityRun> {
  const rank = ({ spec }: LoadedSpec): number => (longFirst.includes(spec.kernel) ? 0 : 1);
  const suite = new Suite(
    specs.toSorted((a, b) => rank(a) - rank(b)),
    options,
  );
  const [reference, ...others] = backends;
  await Promise.all([suite.runReference(reference!), ...others.map((backend) => suite.runBackend(backend))]);
  options.signal?.throwIfAborted();
  return suite.outcome(
    specs,
    backends.map(({ name }) => name),
  );
}

type Outcome = { readonly result: RunResult } | { readonly error: unknown };

class Suite {
  readonly #specs: readonly LoadedSpec[];
  readonly #options: SuiteOptions;
  readonly #entries: ParityEntry[] = [];
  readonly #differences: Difference[] = [];
  readonly #identities = new Map<BackendName, BackendIdentity>();
  readonly #expected: { promise: Promise<Outcome>; settle(outcome: Outcome): void }[];
  #kept = 0;

  constructor(specs: readonly LoadedSpec[], options: SuiteOptions) {
    this.#specs = specs;
    this.#options = options;
    this.#expected = specs.map(() => {
      let settle: (outcome: Outcome) => void = () => {};
      const promise = new Promise<Outcome>((resolve) => {
        settle = resolve;
      });
      return { promise, settle };
    });
  }

  async runReference(backend: Backend): Promise<void> {
    for (const [i, spec] of this.#specs.entries()) {
      const outcome = await this.#run(backend, spec, i);
      this.#expected[i]!.settle(outcome);
      this.#add(this.#entryOf(spec, backend.name, outcome, undefined));
    }
  }

  async runBackend(backend: Backend): Promise<void> {
    // A backend goes on with its next spec while the reference catches up, but keeps few results waiting.
    const running: Promise<Outcome>[] = [];
    const waiting: Promise<void>[] = [];
    const has = ({ spec }: LoadedSpec): boolean => backend.has?.(spec) ?? true;
    // Who asks for nothing but kernels that a backend lacks is told so by its errors.
    const hasSome = this.#specs.some(has);
    for (const [i, spec] of this.#specs.entries()) {
      if (hasSome && !has(spec)) continue;
      const run = this.#run(backend, spec, i);
      running.push(run);
      waiting.push(run.then((outcome) => this.#hold(i, spec, backend.name, outcome)));
      if (running.length >= (backend.queues ? givenAtOnce : 1)) await running.shift();
      if (waiting.length > 4 + running.length) await waiting.shift();
    }
    await Promise.all(waiting);
  }

  /** What was found, in the order of `specs` and then of backends. */
  outcome(specs: readonly LoadedSpec[], order: readonly BackendName[]): ParityRun {
    const row = new Map(specs.map(({ label }, i) => [label, i]));
    const rank = (entry: ParityEntry): number => row.get(entry.spec)! * order.length + order.indexOf(entry.backend);
    return {
      specs,
      identities: order.flatMap((name) => this.#identities.get(name) ?? []),
      entries: [...this.#entries].sort((a, b) => rank(a) - rank(b)),
      differences: this.#differences,
    };
  }

  async #run(backend: Backend, spec: LoadedSpec, index: number): Promise<Outcome> {
    const { tier, timeout, signal, inputsOf, onResult } = this.#options;
    try {
      signal?.throwIfAborted();
      const inputs = await inputsOf?.(spec);
      const options: RunOptions = {
        ...(tier && { tier }),
        ...(timeout && { timeout }),
        ...(signal && { signal }),
        ...(inputs && { inputs }),
        next: this.#specs.slice(index + 1, index + 1 + toldAhead).map((each) => each.spec),
      };
      const result = await backend.run(spec.spec, options);
      this.#identities.set(backend.name, result.identity);
      await onResult?.(spec, result);
      return { result };
    } catch (error) {
      return { error };
    }
  }

  async #hold(index: number, spec: LoadedSpec, backend: BackendName, outcome: Outcome): Promise<void> {
    const expected = await this.#expected[index]!.promise;
    if ('error' in outcome || 'error' in expected) {
      const failed = 'error' in outcome ? outcome : expected;
      this.#add(this.#entryOf(spec, backend, failed, undefined));
      return;
    }
    const comparison = compareResults(spec.spec, expected.result.tensors, outcome.result.tensors);
    this.#add(this.#entryOf(spec, backend, outcome, comparison));
    if (!comparison.equal) await this.#keep(spec, backend, expected.result.tensors, outcome.result.tensors, comparison);
  }

  async #keep(
    spec: LoadedSpec,
    backend: BackendName,
    expected: Tensors,
    actual: Tensors,
    comparison: Comparison,
  ): Promise<void> {
    const bytes = [...Object.values(expected), ...Object.values(actual)].reduce(
      (sum, { codes }) => sum + codes.byteLength,
      0,
    );
    if (this.#kept + bytes > keptBytes) return;
    this.#kept += bytes;
    const inputs = await this.#options.inputsOf?.(spec);
    this.#differences.push({ spec, backend, inputs, expected, actual, comparison });
  }

  #entryOf(spec: LoadedSpec, backend: BackendName, outcome: Outcome, comparison: Comparison | undefined): ParityEntry {
    const base = { spec: spec.label, backend, tier: this.#options.tier ?? 'exact' };
    if ('error' in outcome) return { ...base, elements: 0, mismatches: 0, error: errorData(outcome.error) };
    const { tensors, times } = outcome.result;
    const elements = Object.values(tensors).reduce((sum, { codes }) => sum + codes.length, 0);
    return { ...base, elements, mismatches: comparison?.mismatches ?? 0, times, ...(comparison && { comparison }) };
  }

  #add(entry: ParityEntry): void {
    this.#entries.push(entry);
    this.#options.onEntry?.(entry);
  }
}
