/** Text as one word of a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A command that runs a script with the library; names in it come from files, so the whole script is quoted. */
export const nodeCommand = (script: string): string => `node --input-type=module -e ${shellWord(script)}`;
