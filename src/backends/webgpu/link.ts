import { Fp8labError } from '../../errors.ts';

/** WGSL sources by path under shaders/, without the ending: `kernels/quantize`. */
export type ShaderSources = Readonly<Record<string, string>>;

const root = '../../../shaders/';

/** The shipped shaders; inlined by the bundler, so that the library needs no files at run time. */
export const shaderSources: ShaderSources = Object.fromEntries(
  Object.entries(
    import.meta.glob('../../../shaders/**/*.wgsl', { query: '?raw', import: 'default', eager: true }) as Record<
      string,
      string
    >,
  ).map(([path, source]) => [path.slice(root.length, -'.wgsl'.length), source]),
);

/** Where a line of linked code comes from. */
export interface SourceLine {
  /** Path under shaders/ with its ending, or `constants` for the header. */
  readonly file: string;
  /** Line in that file, from 1. */
  readonly line: number;
}

/** A shader with its includes and constants in place. */
export interface LinkedShader {
  readonly code: string;
  /** Origin of each line of `code`, in order. */
  readonly lines: readonly SourceLine[];
  /** Paths of the sources in it, without the ending: the entry file and what it includes. */
  readonly files: readonly string[];
}

const includePattern = /^\s*#include\s+"([^"]+)\.wgsl"\s*$/;
const eachPattern = /^\s*#each\s+([a-z])\s+(\w+)\s*$/;
const endPattern = /^\s*#end\s*$/;
const enablePattern = /^\s*enable\s[^;]*;/;

/**
 * Puts a shader together: one `const NAME = value;` a constant, then the source, each `#include "path.wgsl"` line (relative to shaders/)
 * replaced by that file (or by its substitute) the first time and by nothing afterwards. Constants are abstract integers: they fit u32 and i32 alike.
 * The lines from `#each i COUNT` to its `#end` come COUNT times (a number or a constant), each `$i` in them the number of the turn: what
 * a thread keeps in registers cannot be an array, for compilers leave those in memory. A line `enable FEATURE;` in any of the files goes to the top,
 * where WGSL wants it, once.
 */
export function linkShader(
  shader: string,
  constants: Readonly<Record<string, number>> = {},
  sources: ShaderSources = shaderSources,
  substitutes: Readonly<Record<string, string>> = {},
): LinkedShader {
  const known = linked.get(sources) ?? new Map<string, LinkedShader>();
  linked.set(sources, known);
  const key = JSON.stringify([shader, constants, substitutes]);
  const whole = known.get(key) ?? link(shader, constants, sources, substitutes);
  known.set(key, whole);
  return whole;
}

/** Shaders that were put together, by what they were made of: a run dispatches the same few many times. */
const linked = new WeakMap<ShaderSources, Map<string, LinkedShader>>();

function link(
  shader: string,
  constants: Readonly<Record<string, number>>,
  sources: ShaderSources,
  substitutes: Readonly<Record<string, string>>,
): LinkedShader {
  const enabled = new Map<string, SourceLine>();
  const body: [text: string, from: SourceLine][] = [];
  const emit = (text: string, file: string, line: number): void => {
    if (!enablePattern.test(text)) body.push([text, { file, line }]);
    else if (!enabled.has(text.trim())) enabled.set(text.trim(), { file, line });
  };
  for (const [i, name] of Object.keys(constants).sort().entries()) {
    emit(`const ${name} = ${constants[name]};`, 'constants', i + 1);
  }
  const included = new Set<string>();
  const add = (asked: string, from: string): void => {
    const path = substitutes[asked] ?? asked;
    if (included.has(path)) return;
    included.add(path);
    const source = Object.hasOwn(sources, path) ? sources[path] : undefined;
    if (source === undefined) throw missingShader(path, from);
    for (const { text, line } of unrolled(source, constants, path)) {
      const include = includePattern.exec(text);
      if (include === null) emit(text, `${path}.wgsl`, line);
      else add(include[1]!, `${path}.wgsl:${line}`);
    }
  };
  add(shader, 'a dispatch');
  const all = [...enabled, ...body];
  return { code: all.map(([text]) => text).join('\n'), lines: all.map(([, from]) => from), files: [...included] };
}

interface NumberedLine {
  readonly text: string;
  readonly line: number;
}

/** The lines of a source with its `#each` blocks written out. */
function unrolled(source: string, constants: Readonly<Record<string, number>>, path: string): readonly NumberedLine[] {
  const lines = source.split('\n').map((text, i) => ({ text, line: i + 1 }));
  let at = 0;
  const block = (outer: boolean): NumberedLine[] => {
    const result: NumberedLine[] = [];
    for (; at < lines.length; at++) {
      const { text, line } = lines[at]!;
      const each = eachPattern.exec(text);
      if (each !== null) {
        at++;
        result.push(...repeat(block(false), each[1]!, turnsOf(each[2]!, constants, `${path}.wgsl:${line}`)));
      } else if (endPattern.test(text) && !outer) return result;
      else result.push({ text, line });
    }
    if (!outer) throw badBlock('#each has no #end', `${path}.wgsl`);
    return result;
  };
  return block(true);
}

function repeat(body: readonly NumberedLine[], name: string, turns: number): NumberedLine[] {
  return Array.from({ length: turns }, (_, turn) =>
    body.map(({ text, line }) => ({ text: text.replaceAll(`$${name}`, String(turn)), line })),
  ).flat();
}

function turnsOf(count: string, constants: Readonly<Record<string, number>>, where: string): number {
  const turns = Object.hasOwn(constants, count) ? constants[count]! : Number(count);
  if (!Number.isInteger(turns) || turns < 0) throw badBlock(`#each counts to ${count}, which is no constant`, where);
  return turns;
}

function badBlock(message: string, where: string): Fp8labError {
  return new Fp8labError(message, {
    kind: 'device',
    code: 'shader-block',
    where: `shaders/${where}`,
    fix: 'give the dispatch the constant, or close the block',
  });
}

function missingShader(path: string, from: string): Fp8labError {
  return new Fp8labError(`no shader shaders/${path}.wgsl, asked for by ${from}`, {
    kind: 'device',
    code: 'unknown-shader',
    where: `shaders/${path}.wgsl`,
    fix: 'correct the path of the include or of the dispatch',
  });
}

/** One complaint of a WGSL compiler: line and column of the linked code, from 1 (0 where it names none). */
export interface CompilerMessage {
  readonly message: string;
  readonly lineNum: number;
  readonly linePos: number;
}

/** A compile error with the shader file, its line, the line's text and a caret under the place. */
export function compileError(shader: string, linked: LinkedShader, messages: readonly CompilerMessage[]): Fp8labError {
  const places = messages.map((message) => describe(shader, linked, message));
  return new Fp8labError(`the WGSL compiler refuses ${shader}:\n${places.map((place) => place.text).join('\n')}`, {
    kind: 'device',
    code: 'shader-compile',
    where: places[0]?.where ?? `shaders/${shader}.wgsl`,
    fix: 'correct the shader at the line named; a shipped shader that fails is a bug of fp8lab or of the driver',
  });
}

function describe(shader: string, linked: LinkedShader, message: CompilerMessage): { where: string; text: string } {
  const origin = linked.lines[message.lineNum - 1];
  const reason = message.message.trim();
  if (origin === undefined) return { where: `shaders/${shader}.wgsl`, text: reason };
  const where = `shaders/${origin.file}:${origin.line}:${message.linePos}`;
  const source = linked.code.split('\n')[message.lineNum - 1] ?? '';
  const caret = `${source.slice(0, Math.max(message.linePos - 1, 0)).replace(/[^\t]/g, ' ')}^`;
  return { where, text: `${where}: ${reason}\n  ${source}\n  ${caret}` };
}
