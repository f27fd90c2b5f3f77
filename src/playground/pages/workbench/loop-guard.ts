/** Turns of all loops together that an invocation may take: shipped kernels stay below 65,535. */
export const guardedTurns = 2 ** 18;

/** Path of the file that every guarded one includes. */
export const guardPath = 'workbench/guard';

/** Counts an invocation's turns. */
export const guardSource = `var<private> workbench_turns: u32;
fn workbench_spent() -> bool {
  workbench_turns++;
  return workbench_turns > ${guardedTurns}u;
}`;

const check = ' if (workbench_spent()) { break; }';

/**
 * A shader whose loops end after {@link guardedTurns}: a driver that is caught in an endless loop is not freed by ending the page's worker.
 * Lines keep their numbers. A shader with barriers is left as it is: a loop left early by some invocations would not be uniform.
 */
export function guardLoops(source: string): string {
  const code = blankComments(source);
  if (/Barrier\s*\(/.test(code)) return source;
  const places = Array.from(code.matchAll(/\b(loop|while|for)\b/g), (match) =>
    bodyOf(code, match.index + match[0].length, match[0]),
  ).filter((at) => at !== undefined);
  if (places.length === 0) return source;
  const guarded = places
    .sort((a, b) => b - a)
    .reduce((text, at) => `${text.slice(0, at)}${check}${text.slice(at)}`, source);
  return `${guarded}\n#include "${guardPath}.wgsl"\n`;
}

/** Place behind the brace that opens a loop's body. */
function bodyOf(code: string, from: number, kind: string): number | undefined {
  let depth = 0;
  for (let i = from; i < code.length; i++) {
    const sign = code[i];
    if (sign === '(') depth++;
    else if (sign === ')') depth--;
    else if (sign === '{' && depth === 0) return i + 1;
    else if (sign === ';' && depth === 0 && kind !== 'for') return undefined;
  }
  return undefined;
}

/** The same text with its comments blanked, place for place. */
function blankComments(source: string): string {
  let out = '';
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    const two = source.slice(i, i + 2);
    if (depth === 0 && two === '//') {
      const end = source.indexOf('\n', i);
      const stop = end < 0 ? source.length : end;
      out += ' '.repeat(stop - i);
      i = stop - 1;
    } else if (two === '/*' || (two === '*/' && depth > 0)) {
      depth += two === '/*' ? 1 : -1;
      out += '  ';
      i++;
    } else out += depth > 0 && source[i] !== '\n' ? ' ' : source[i];
  }
  return out;
}
