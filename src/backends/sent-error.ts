import { type ErrorKind, exitCodes, Fp8labError } from '../errors.ts';

/** An error on its way from a runner or thread to its parent. */
export interface SentError {
  readonly kind: string;
  readonly code: string;
  readonly message: string;
  readonly where: string;
  readonly fix: string;
}

/** An error as plain data. Errors that are not ours keep their text; memory that JavaScript refuses is told as such. */
export function describeError(error: unknown): SentError {
  if (error instanceof Fp8labError) return { ...error.toJSON(), kind: error.kind };
  const message = error instanceof Error ? error.message : String(error);
  const memory = error instanceof RangeError && /allocation|array (buffer )?length|memory/i.test(message);
  return {
    kind: 'device',
    code: memory ? 'out-of-memory' : 'runner-error',
    message,
    where: (error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined) ?? 'runner',
    fix: memory ? 'run a smaller spec' : 'report the spec with this message: the runner did not expect it',
  };
}

const isKind = (kind: string): kind is ErrorKind => kind !== 'ok' && Object.hasOwn(exitCodes, kind);

/** The error that was sent. */
export function receivedError({ kind, code, message, where, fix }: SentError): Fp8labError {
  return new Fp8labError(String(message), {
    kind: isKind(String(kind)) ? (kind as ErrorKind) : 'device',
    code: String(code),
    where: String(where),
    fix: String(fix),
  });
}

/** Something took longer than it was given. */
export function timeLimitError(who: string, milliseconds: number): Fp8labError {
  return new Fp8labError(`${who} did not finish within ${milliseconds / 1000} s and was ended`, {
    kind: 'device',
    code: 'time-limit',
    where: who,
    fix: 'give it more time, run a smaller spec, or choose a faster adapter',
  });
}

/** The caller gave up. */
export function interruptedError(who: string): Fp8labError {
  return new Fp8labError(`${who} was interrupted`, {
    kind: 'interrupted',
    code: 'interrupted',
    where: who,
    fix: 'run it again',
  });
}
