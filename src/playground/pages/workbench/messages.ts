/** A complaint of the WGSL compiler at its place. */
export interface CompilerPlace {
  /** Path under shaders/, without the ending. */
  readonly path: string;
  /** Line and column from 1. */
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** The places in a compile error's message: a line `shaders/kernels/amax.wgsl:12:5: unresolved identifier` each. */
export function compilerPlaces(message: string): CompilerPlace[] {
  return Array.from(message.matchAll(/^shaders\/(.+?)\.wgsl:(\d+):(\d+): (.*)$/gm), ([, path, line, column, text]) => ({
    path: path!,
    line: Number(line),
    column: Number(column),
    text: text!,
  }));
}

/** Offsets of places in a text: from the column to the end of its line. Lines that the text does not have are left out. */
export function placeRanges(
  text: string,
  places: readonly CompilerPlace[],
): { from: number; to: number; message: string }[] {
  const lines = text.split('\n');
  const starts = [0];
  for (const line of lines) starts.push(starts.at(-1)! + line.length + 1);
  return places
    .filter(({ line }) => line >= 1 && line <= lines.length)
    .map(({ line, column, text: message }) => {
      const from = starts[line - 1]! + Math.min(Math.max(column - 1, 0), lines[line - 1]!.length);
      return { from, to: Math.max(starts[line]! - 1, from), message };
    });
}

/** Median of times in milliseconds. */
export function medianOf(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
