/** Exit codes of the command line; each {@link ErrorKind} ends in one of them. */
export const exitCodes = {
  ok: 0,
  mismatch: 1,
  usage: 2,
  environment: 3,
  input: 4,
  device: 5,
  interrupted: 130,
} as const;

/** What went wrong, as a class: it decides the exit code. */
export type ErrorKind = Exclude<keyof typeof exitCodes, 'ok'>;

/** The parts of an {@link Fp8labError}. */
export interface ErrorParts {
  /** Class of the error; decides the exit code. */
  readonly kind: ErrorKind;
  /** Stable machine-readable name, in kebab case: `unknown-field`, `truncated-header`. */
  readonly code: string;
  /** Where it is: a field path, a file with a byte offset, a tensor name. */
  readonly where: string;
  /** What the reader can do about it. */
  readonly fix: string;
  /** The error underneath, if any. */
  readonly cause?: unknown;
}

/**
 * The one error class: what is wrong (`message`), where, and how to mend it.
 * Library code throws it and never prints.
 */
export class Fp8labError extends Error {
  override readonly name = 'Fp8labError';
  readonly kind: ErrorKind;
  readonly code: string;
  readonly where: string;
  readonly fix: string;

  constructor(message: string, parts: ErrorParts) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.kind = parts.kind;
    this.code = parts.code;
    this.where = parts.where;
    this.fix = parts.fix;
  }

  /** Exit code of a command that ends with this error. */
  get exitCode(): number {
    return exitCodes[this.kind];
  }

  /** The object `--json` prints for this error. */
  toJSON(): { code: string; message: string; where: string; fix: string } {
    return { code: this.code, message: this.message, where: this.where, fix: this.fix };
  }
}

/** Bad content in a file, tensor or spec: exit code 4. */
export function inputError(message: string, code: string, where: string, fix: string, cause?: unknown): Fp8labError {
  return new Fp8labError(message, { kind: 'input', code, where, fix, cause });
}
