/** What a command may do to the outside: tests give their own, so that no command needs a process to be tested. */
export interface Io {
  /** Results. The text ends where the command says, with its own line breaks. */
  stdout(text: string): void;
  /** Messages and progress. */
  stderr(text: string): void;
  /** True where stderr is a terminal. */
  readonly isTTY: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}
