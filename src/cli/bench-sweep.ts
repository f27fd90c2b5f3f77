import { Fp8labError } from '../errors.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { didYouMean } from '../specs/nearest.ts';
import { resolveSpec } from '../specs/resolve.ts';

/** Extents of a spec's shape that take the same values, one after the other. */
export interface Sweep {
  /** Names in the spec's `shape`: `['m', 'n', 'k']`. */
  readonly extents: readonly string[];
  readonly values: readonly number[];
}

/** A spec with what was varied of it. */
export interface SweptSpec extends LoadedSpec {
  /** The spec that it was made of: `gemm/bench-1024`. */
  readonly origin: string;
  /** `m,n,k`; empty where nothing was varied. */
  readonly extents: string;
  readonly value: number;
}

/** Points of one sweep: enough for a curve, few enough to be waited for. */
const mostPoints = 32;

function badSweep(text: string, why: string): Fp8labError {
  return new Fp8labError(`"${text}" is no sweep: ${why}`, {
    kind: 'usage',
    code: 'bad-sweep',
    where: '--sweep',
    fix: 'say extents and values: m,n,k=128..1024 doubles from 128 to 1024, tokens=64,256,1000 takes these',
  });
}

/** `m,n,k=128..1024` or `tokens=64,256,1000`. Throws `bad-sweep` (kind `usage`). */
export function parseSweep(text: string): Sweep {
  const [names, values, ...rest] = text.split('=');
  if (values === undefined || rest.length > 0) throw badSweep(text, 'there must be one = between extents and values');
  const extents = names!.split(',').map((name) => name.trim());
  if (extents.some((name) => name === '')) throw badSweep(text, 'it names no extent');
  const range = /^\s*(\d+)\s*\.\.\s*(\d+)\s*$/.exec(values);
  const numbers = range === null ? values.split(',').map(Number) : doublings(Number(range[1]), Number(range[2]));
  if (numbers.length === 0 || numbers.some((value) => !Number.isSafeInteger(value) || value < 1))
    throw badSweep(text, 'values are positive integers');
  if (numbers.length > mostPoints) throw badSweep(text, `it has ${numbers.length} values, ${mostPoints} are the most`);
  return { extents, values: numbers };
}

function doublings(first: number, last: number): number[] {
  const values: number[] = [];
  for (let value = first; value > 0 && value <= last; value *= 2) values.push(value);
  return values;
}

/** The spec at every value of every sweep, all its other extents its own. Throws where it has no such extent, or refuses a value. */
export function sweptSpecs(loaded: LoadedSpec, sweeps: readonly Sweep[]): SweptSpec[] {
  return sweeps.flatMap(({ extents, values }) => values.map((value) => withExtents(loaded, extents, value)));
}

function withExtents(loaded: LoadedSpec, extents: readonly string[], value: number): SweptSpec {
  const { spec, label, path } = loaded;
  const known = Object.keys(spec.shape);
  const stranger = extents.find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new Fp8labError(`${label} has no extent ${stranger}${didYouMean(stranger, known)}`, {
      kind: 'usage',
      code: 'no-such-extent',
      where: '--sweep',
      fix: `vary ${known.join(', ')}`,
    });
  }
  const names = extents.join(',');
  const name = `${spec.name}-${extents.join('-')}-${value}`;
  const shape = { ...spec.shape, ...Object.fromEntries(extents.map((extent) => [extent, value])) };
  const swept = resolveSpec({ ...spec, name, shape }, `${label} with ${names}=${value}`);
  return { label: `${label} ${names}=${value}`, path, spec: swept, origin: label, extents: names, value };
}
