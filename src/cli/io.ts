/** What a command may do to the outside: tests give their own, so that no command needs a process to be tested. */
export interface Io {
  /** Results. The text ends where the command says, with its own line breaks. */
  stdout(text: string): void;
  /** Messages and progress. */
  stderr(text: string): void;
  /** True where stderr is a terminal. */
  readonly isTTY: boolean;
  /** True where results may carry colour: stdout is a terminal and nothing (NO_COLOR, TERM=dumb) forbids it. */
  readonly colour?: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Passes what a backend says of itself on, a line each. */
export const notifier =
  (io: Io) =>
  (line: string): void =>
    io.stderr(`${line}\n`);

/** Whether colour is wanted, by the conventions of NO_COLOR and FORCE_COLOR. */
export function wantsColour(env: Io['env'], isTTY: boolean): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR && env.FORCE_COLOR !== '0') return true;
  return isTTY && env.TERM !== 'dumb';
}

type Colour = 'green' | 'red' | 'yellow' | 'dim' | 'bold';

const codes: Readonly<Record<Colour, string>> = { green: '32', red: '31', yellow: '33', dim: '2', bold: '1' };

/** Paints text where colour is wanted. */
export function paint(io: Io, colour: Colour, text: string): string {
  return io.colour ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text;
}
