import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { type ParseError, parse as parseWithErrors, printParseErrorCode, visit } from 'jsonc-parser';
import { Fp8labError, inputError } from '../errors.ts';
import { didYouMean } from './nearest.ts';
import { resolveSpec } from './resolve.ts';
import { kernelNames } from './schema.ts';
import type { FileInput, ResolvedSpec } from './types.ts';

/** A spec as it was found. */
export interface LoadedSpec {
  /** `kernel/name`: unique among the shipped specs, and the row of a parity table. */
  readonly label: string;
  readonly path: string;
  readonly spec: ResolvedSpec;
}

/** A spec file is a page at most; past this it is something else. */
const maxBytes = 1_000_000;

/** Every spec that ships, in the order of kernels, then of names; specs/ has a folder for each kernel. */
export async function shippedSpecs(folder: string): Promise<LoadedSpec[]> {
  const lists = await Promise.all(kernelNames.map((kernel) => specsIn(join(folder, kernel))));
  return lists.flat();
}

/**
 * Specs by what the user named: a file, a folder of specs, a kernel (all its shipped specs), or a shipped spec (`gemm/dsv3-q-a`, or `dsv3-q-a` where only one has the name).
 * Each comes once; two files whose specs have one kernel and name are refused.
 * @param folder where the shipped specs are
 * @param large whether a folder stands for its full-size specs too
 */
export async function loadSpecs(names: readonly string[], folder: string, large = true): Promise<LoadedSpec[]> {
  const lists = await Promise.all(names.map((name) => loadNamed(name, folder, large)));
  return distinct(lists.flat());
}

/** Each spec once. Two files under one label are refused: tables, evidence and exported files go by it, and one would stand for both. */
function distinct(specs: readonly LoadedSpec[]): LoadedSpec[] {
  const known = new Map<string, LoadedSpec>();
  for (const spec of specs) {
    const other = known.get(spec.label);
    if (other !== undefined && resolve(other.path) !== resolve(spec.path)) {
      throw inputError(
        `two specs are named ${spec.label}: ${other.path} and ${spec.path}`,
        'same-name',
        spec.path,
        'give one of them another name',
      );
    }
    known.set(spec.label, spec);
  }
  return [...known.values()];
}

async function loadNamed(name: string, folder: string, large: boolean): Promise<LoadedSpec[]> {
  const found = await stat(name).catch(() => undefined);
  if (found?.isDirectory()) return loadFolder(name, name, large);
  if (found !== undefined) return [await loadFile(name)];
  // `gemm`, and `specs/gemm` where the package is elsewhere: all shipped specs of a kernel.
  const kernel = name.replace(/^specs\//, '').replace(/\/$/, '');
  if ((kernelNames as readonly string[]).includes(kernel)) return loadFolder(name, join(folder, kernel), large);
  return [await loadShipped(name, folder)];
}

async function loadFolder(name: string, path: string, large: boolean): Promise<LoadedSpec[]> {
  const all = await specsIn(path);
  const specs = all.filter(({ spec }) => large || !spec.large);
  if (specs.length > 0) return specs;
  if (all.length === 0)
    throw inputError(`there is no spec in ${name}`, 'no-specs', name, 'name a folder that holds .json specs');
  throw inputError(`the specs in ${name} are all full-size ones`, 'no-specs', name, 'add --large, or name the files');
}

async function loadShipped(name: string, folder: string): Promise<LoadedSpec> {
  const paths = await shippedPaths(folder);
  const labels = paths.map((path) => labelOf(path));
  const wanted = name.replace(/^specs\//, '').replace(/\.json$/, '');
  const matches = paths.filter((_, i) => labels[i] === wanted || labels[i]!.endsWith(`/${wanted}`));
  if (matches.length === 1) return loadFile(matches[0]!);
  if (matches.length > 1) {
    throw new Fp8labError(`${wanted} names ${matches.length} specs`, {
      kind: 'usage',
      code: 'ambiguous-spec',
      where: wanted,
      fix: `say which: ${matches.map(labelOf).join(', ')}`,
    });
  }
  const known = [...labels, ...labels.map((label) => basename(label))];
  throw new Fp8labError(`there is no file and no shipped spec ${name}${didYouMean(wanted, known)}`, {
    kind: 'input',
    code: 'no-such-spec',
    where: name,
    fix: 'give a path, or a name that `fp8lab spec list` prints',
  });
}

/** `gemm/dsv3-q-a` of a path that ends so. */
function labelOf(path: string): string {
  return `${basename(dirname(path))}/${basename(path, '.json')}`;
}

async function shippedPaths(folder: string): Promise<string[]> {
  const lists = await Promise.all(kernelNames.map((kernel) => jsonFiles(join(folder, kernel))));
  return lists.flat();
}

async function jsonFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw inputError(`the folder ${folder} cannot be read`, 'unreadable', folder, 'check that it is there', cause);
  });
  return names
    .filter((name) => name.endsWith('.json') && !name.endsWith('.schema.json'))
    .sort()
    .map((name) => join(folder, name));
}

async function specsIn(folder: string): Promise<LoadedSpec[]> {
  return Promise.all((await jsonFiles(folder)).map(loadFile));
}

/** Reads and resolves one spec file; paths of file inputs become absolute. */
export async function loadFile(path: string): Promise<LoadedSpec> {
  const spec = resolveSpec(parseJson(await readText(path), path), path);
  return { label: `${spec.kernel}/${spec.name}`, path, spec: absoluteInputs(spec, dirname(path)) };
}

async function readText(path: string): Promise<string> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw inputError(
      `the spec ${path} cannot be read`,
      'unreadable',
      path,
      'check the path and its permissions',
      cause,
    );
  });
  if (size > maxBytes) {
    throw inputError(
      `${path} has ${size} bytes; a spec has ${maxBytes} at most`,
      'too-large',
      path,
      'name a spec file',
    );
  }
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw inputError(
      `the spec ${path} cannot be read`,
      'unreadable',
      path,
      'check the path and its permissions',
      cause,
    );
  });
}

/** JSON.parse with the line and column of what is wrong; a key that stands twice in an object is, for JSON.parse would take the last and say nothing. */
export function parseJson(given: string, where: string): unknown {
  // Some editors begin a file with a byte order mark.
  const text = given.replace(/^\uFEFF/, '');
  try {
    const value: unknown = JSON.parse(text);
    requireKeysOnce(text, where);
    return value;
  } catch (cause) {
    if (cause instanceof Fp8labError) throw cause;
    // V8's message does not always say where; a parser that goes on after errors does.
    const errors: ParseError[] = [];
    parseWithErrors(text, errors, { disallowComments: true });
    const first = errors[0] ?? { error: 0, offset: 0 };
    const before = text.slice(0, first.offset).split('\n');
    const what = printParseErrorCode(first.error)
      .replace(/([a-z])([A-Z])/g, '$1 $2')
      .toLowerCase();
    const at = `${where}:${before.length}:${before.at(-1)!.length + 1}`;
    throw inputError(`not valid JSON: ${what}`, 'invalid-json', at, 'mend the JSON there', cause);
  }
}

function requireKeysOnce(text: string, where: string): void {
  const open: Set<string>[] = [];
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (name, _offset, _length, line, column) => {
      if (open.at(-1)?.has(name)) {
        const at = `${where}:${line + 1}:${column + 1}`;
        throw inputError(`the field "${name}" stands twice`, 'duplicate-field', at, 'remove one of them');
      }
      open.at(-1)?.add(name);
    },
  });
}

function absoluteInputs(spec: ResolvedSpec, folder: string): ResolvedSpec {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value) || value === null || typeof value !== 'object') return value;
    if ('file' in value && 'tensor' in value) {
      const input = value as FileInput;
      return { ...input, file: relative('', resolve(folder, input.file)) || input.file };
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visit(inner)]));
  };
  return visit(spec) as ResolvedSpec;
}
