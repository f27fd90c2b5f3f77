import { InvalidArgumentError } from 'commander';

/** A parser of option values that must be positive numbers. */
export function positiveNumber(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
    throw new InvalidArgumentError(`${option} needs a positive number.`);
  };
}
