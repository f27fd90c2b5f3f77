import { describeError, type SentError } from '../../backends/sent-error.ts';
import { inputError } from '../../errors.ts';
import { specIdentity } from '../../specs/canonical.ts';
import { resolveSpec } from '../../specs/resolve.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { specWork } from './budget.ts';

const files = import.meta.glob(['../../../specs/*/*.json', '!../../../specs/vectors/**'], {
  import: 'default',
  eager: true,
}) as Record<string, unknown>;

/** A spec of the repository. */
export interface ShippedSpec {
  /** `gemm/dsv3-q-a`. */
  readonly label: string;
  readonly spec: ResolvedSpec;
  /** Multiply-adds or elements: what decides how long the reference takes. */
  readonly work: number;
}

const labelOf = (path: string) =>
  path
    .split('/')
    .slice(-2)
    .join('/')
    .replace(/\.json$/, '');

const isSpec = (json: unknown) => typeof json === 'object' && json !== null && 'kernel' in json && 'fp8lab' in json;

/** The shipped specs that a page can run: those of generated inputs that are not full size, small ones first within a kernel. */
export function shippedSpecs(): ShippedSpec[] {
  return Object.entries(files)
    .filter(([, json]) => isSpec(json))
    .map(([path, json]) => {
      const spec = resolveSpec(json, path);
      return { label: labelOf(path), spec, work: specWork(spec) };
    })
    .filter(({ spec }) => !spec.large && !JSON.stringify(spec).includes('"file":'))
    .sort((a, b) => a.spec.kernel.localeCompare(b.spec.kernel) || a.work - b.work);
}

/** A shipped spec as its author wrote it. */
export function shippedSpecText(label: string): string {
  const found = Object.entries(files).find(([path, json]) => isSpec(json) && labelOf(path) === label);
  if (found !== undefined) return JSON.stringify(found[1], null, 2);
  throw inputError(`there is no shipped spec ${label}`, 'unknown-spec', 'spec', 'choose one of the list');
}

/** What an author's text is: a spec with its identity, or what is wrong with it and where. */
export type ParsedSpec =
  | { readonly ok: true; readonly spec: ResolvedSpec; readonly identity: string }
  | { readonly ok: false; readonly error: SentError };

/** Reads and resolves a spec's text. */
export async function parseSpec(text: string): Promise<ParsedSpec> {
  try {
    const spec = resolveSpec(JSON.parse(text), 'spec');
    return { ok: true, spec, identity: await specIdentity(spec) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) return { ok: false, error: describeError(error) };
    const wrong = inputError(`not valid JSON: ${error.message}`, 'bad-json', 'spec', 'correct the JSON');
    return { ok: false, error: describeError(wrong) };
  }
}
