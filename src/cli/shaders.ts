import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { RunResult } from '../backends/backend.ts';
import { type ShaderSources, shaderSources } from '../backends/webgpu/link.ts';
import { Fp8labError, inputError } from '../errors.ts';
import { didYouMean } from '../specs/nearest.ts';

/** A shader is some hundred lines; past this a file is something else. */
const maxBytes = 1_000_000;

/** Collects `--shader`, which may come several times. */
export const collectShader = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Shaders that stand in for shipped ones, and whether any run had them in it. */
export interface GivenShaders {
  /** Text by path under shaders/, without the ending. */
  readonly sources: ShaderSources;
  /** Takes note of the shaders that a run was compiled of. */
  note(result: RunResult): void;
  /** Throws `shader-not-used` where a shader was in no run: what was measured then says nothing about it. */
  requireUse(): void;
}

/**
 * Reads the shaders of `--shader`: FILE stands in for the shipped shader of its name, PATH=FILE for the one at PATH under shaders/.
 * @throws Fp8labError `no-such-shader`, `ambiguous-shader`, `bad-shader-file`, `shader-given-twice`
 */
export async function readShaders(given: readonly string[]): Promise<GivenShaders> {
  const sources: Record<string, string> = {};
  for (const value of given) {
    const at = value.indexOf('=');
    const file = value.slice(at + 1);
    const path = shippedPath(at < 0 ? basename(file) : value.slice(0, at));
    if (Object.hasOwn(sources, path)) {
      throw new Fp8labError(`two files stand in for shaders/${path}.wgsl`, {
        kind: 'usage',
        code: 'shader-given-twice',
        where: `--shader ${value}`,
        fix: 'give each shader once; PATH=FILE says which one a file stands in for',
      });
    }
    sources[path] = await readShader(file);
  }
  const used = new Set<string>();
  return {
    sources,
    note: ({ shaders = [] }) => {
      for (const path of shaders) used.add(path);
    },
    requireUse() {
      const unused = Object.keys(sources).filter((path) => !used.has(path));
      if (unused.length === 0) return;
      throw new Fp8labError(`no run had ${unused.map((path) => `shaders/${path}.wgsl`).join(', ')} in it`, {
        kind: 'usage',
        code: 'shader-not-used',
        where: '--shader',
        fix: `change what was run, ${[...used].sort().join(', ')}, or give another spec`,
      });
    },
  };
}

/** The error where none of the backends runs WGSL. */
export function noShadersThere(where: string): Fp8labError {
  return new Fp8labError('a shader was given, and no backend here runs shaders', {
    kind: 'usage',
    code: 'shader-without-webgpu',
    where,
    fix: 'choose among webgpu:node, webgpu:deno and webgpu:chromium; `fp8lab doctor` says what they lack',
  });
}

/** The path of the shipped shader that a name, or a path under shaders/, stands for. */
function shippedPath(name: string): string {
  const wanted = name.replace(/^(\.\/)?shaders\//, '').replace(/\.wgsl$/, '');
  if (Object.hasOwn(shaderSources, wanted)) return wanted;
  const paths = Object.keys(shaderSources);
  const matches = paths.filter((path) => path.endsWith(`/${wanted}`));
  if (matches.length === 1) return matches[0]!;
  const where = `--shader ${name}`;
  if (matches.length > 1) {
    const fix = `say which: ${matches.map((path) => `--shader ${path}=FILE`).join(' or ')}`;
    throw new Fp8labError(`${wanted} names ${matches.length} shaders`, {
      kind: 'usage',
      code: 'ambiguous-shader',
      where,
      fix,
    });
  }
  throw new Fp8labError(
    `there is no shipped shader ${wanted}${didYouMean(wanted, [...paths, ...paths.map((path) => basename(path))])}`,
    {
      kind: 'usage',
      code: 'no-such-shader',
      where,
      fix: 'name the file as the shipped shader is named, or say PATH=FILE: --shader kernels/quantize=mine.wgsl',
    },
  );
}

async function readShader(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause) => {
    throw inputError(`cannot read ${file}`, 'bad-shader-file', file, 'give the path of a WGSL file', cause);
  });
  if (bytes.length > maxBytes) {
    throw inputError(`${file} has ${bytes.length} bytes`, 'bad-shader-file', file, 'give a WGSL file of at most 1 MB');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw inputError(`${file} is no UTF-8 text`, 'bad-shader-file', file, 'give a WGSL file', cause);
  }
}
