import type { Io } from '../../src/cli/io.ts';

/** An {@link Io} that keeps what a command says. */
export interface RecordedIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
}

/** An Io for tests of commands: no terminal, no colour. */
export function recordedIo(signal: AbortSignal = new AbortController().signal): RecordedIo {
  let out = '';
  let err = '';
  return {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isTTY: false,
    env: {},
    signal,
    out: () => out,
    err: () => err,
  };
}
