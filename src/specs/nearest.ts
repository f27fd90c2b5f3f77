/** Edits (insert, delete, replace) between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The known name nearest to a word, if one is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const short = word.slice(0, 64).toLowerCase();
  const ranked = known
    .map((name) => ({ name, far: distance(short, name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far || a.name.localeCompare(b.name));
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(2, Math.ceil(best.name.length / 3)) ? best.name : undefined;
}

/** `; did you mean X?` or nothing. */
export function didYouMean(word: string, known: readonly string[], prefix = ''): string {
  const name = nearest(word, known);
  return name === undefined ? '' : `; did you mean ${prefix}${name}?`;
}
