/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The command that this process is, to be given again. */
export const thisCommand = (): string => ['fp8lab', ...process.argv.slice(2)].map(shellWord).join(' ');
