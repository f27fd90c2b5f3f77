import { InvalidArgumentError } from 'commander';

/** Parses a TCP port. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new InvalidArgumentError('--port needs a whole number from 1 to 65535.');
}

/** A parser of option values that must be positive numbers. */
export function positiveNumber(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
    throw new InvalidArgumentError(`${option} needs a positive number.`);
  };
}

/** A parser of option values that must be whole numbers from 1 to `most`. */
export function wholeNumber(option: string, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`${option} needs a whole number from 1 to ${most}.`);
  };
}

/** A parser of time limits in seconds. A timer of Node waits 2^31 - 1 ms at most, and ends at once where it is asked for more. */
export function timeLimit(option: string): (text: string) => number {
  const positive = positiveNumber(option);
  return (text) => Math.min(positive(text), 2147483);
}

/** A parser of option values that must be finite numbers; what range they need is for the command to say. */
export function numberOption(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`${option} needs a number.`);
  };
}
