import { formats } from '../numerics/formats.ts';
import type { Scheme } from '../numerics/scheme.ts';
import type { TensorEntry } from '../tensors/header.ts';

/** Weights that are quantized unless told otherwise: all 2-D weights of linear layers. */
export const defaultInclude: readonly string[] = ['*.weight'];

/** Weights that stay as they are, as in DeepSeek-V3: embeddings, norms, output heads, routers, the MTP projection, small indexer weights. */
export const defaultExclude: readonly string[] = [
  '*embed*',
  '*.wte.weight',
  '*.wpe.weight',
  '*norm*',
  '*.ln_*',
  '*lm_head*',
  '*.head.weight',
  'head.weight',
  '*.gate.weight',
  '*_gate.weight',
  '*router*',
  '*.eh_proj.weight',
  '*.weights_proj.weight',
];

/** Which tensors are quantized: those an include glob matches and no exclude glob does. */
export interface Selection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** The selection of a command's options; given includes replace the defaults of both lists, given excludes are added. */
export function selectionOf(include: readonly string[] = [], exclude: readonly string[] = []): Selection {
  if (include.length > 0) return { include, exclude };
  return { include: defaultInclude, exclude: [...defaultExclude, ...exclude] };
}

/** Whether a glob matches a whole name: `*` is any run of characters, `?` any one; everything else is itself. Linear memory, no backtracking blow-up. */
export function matchesGlob(name: string, glob: string): boolean {
  let at = 0;
  let g = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    if (glob[g] === '*') {
      star = g++;
      resume = at;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === name[at])) {
      g++;
      at++;
    } else if (star >= 0) {
      g = star + 1;
      at = ++resume;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}

/** Whether the globs choose a tensor's name. */
export function isSelected(name: string, { include, exclude }: Selection): boolean {
  return include.some((glob) => matchesGlob(name, glob)) && !exclude.some((glob) => matchesGlob(name, glob));
}

/** Why a chosen tensor cannot be quantized by a scheme; undefined where it can. */
export function unfitReason({ dtype, shape }: TensorEntry, scheme: Scheme): string | undefined {
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') return `${dtype} is no high-precision dtype`;
  if (shape.length !== 2) return `it has ${shape.length} dimensions, not 2`;
  if (shape.includes(0)) return 'it is empty';
  const { bits } = formats[scheme.format];
  if ((shape[1]! * bits) % 8 !== 0) return `rows of ${shape[1]} ${bits}-bit codes do not fill whole bytes`;
  return undefined;
}
