import type { ShaderSources } from '../../../backends/webgpu/link.ts';
import type { Field } from '../../state.ts';

/** A changed shader as a link holds it: lines [from, to) of the shipped text give way to others. */
export interface ShaderPatch {
  readonly from: number;
  readonly to: number;
  readonly lines: readonly string[];
  /** Checksum of the shipped text: a patch of another build's shader is not laid over this one. */
  readonly of: number;
}

/** Changed shaders by path. */
export type ShaderEdits = Readonly<Record<string, ShaderPatch>>;

/** FNV-1a over UTF-16 units. */
function checksum(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** What makes one text of another, by the lines between their equal beginnings and ends. */
export function patchOf(shipped: string, edited: string): ShaderPatch {
  const [before, after] = [shipped.split('\n'), edited.split('\n')];
  let from = 0;
  while (from < Math.min(before.length, after.length) && before[from] === after[from]) from++;
  let end = 0;
  while (end < Math.min(before.length, after.length) - from && before.at(-1 - end) === after.at(-1 - end)) end++;
  return { from, to: before.length - end, lines: after.slice(from, after.length - end), of: checksum(shipped) };
}

/** The edited text; undefined where the patch is not of this shader. */
export function applyPatch(shipped: string, { from, to, lines, of }: ShaderPatch): string | undefined {
  if (of !== checksum(shipped)) return undefined;
  const text = shipped.split('\n');
  if (from > to || to > text.length) return undefined;
  return [...text.slice(0, from), ...lines, ...text.slice(to)].join('\n');
}

/** Patches of the shaders that differ from the shipped ones. */
export const editsOf = (edited: ReadonlyMap<string, string>, shipped: ShaderSources): ShaderEdits =>
  Object.fromEntries(
    [...edited]
      .filter(([path, text]) => Object.hasOwn(shipped, path) && text !== shipped[path])
      .map(([path, text]) => [path, patchOf(shipped[path]!, text)]),
  );

const isPlace = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;

function isPatch(value: unknown): value is ShaderPatch {
  const patch = value as Partial<ShaderPatch> | null;
  if (typeof patch !== 'object' || patch === null || !Array.isArray(patch.lines)) return false;
  return [patch.from, patch.to, patch.of].every(isPlace) && patch.lines.every((line) => typeof line === 'string');
}

/** Changed shaders in a link: JSON of at most `limit` characters. */
export function editsField(limit: number): Field<ShaderEdits> {
  return {
    fallback: {},
    parse(text) {
      if (text.length > limit) return undefined;
      try {
        const edits: unknown = JSON.parse(text);
        if (typeof edits !== 'object' || edits === null || Array.isArray(edits) || !Object.values(edits).every(isPatch))
          return undefined;
        return edits as ShaderEdits;
      } catch {
        return undefined;
      }
    },
    format: (edits) => JSON.stringify(edits),
  };
}
