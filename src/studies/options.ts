import { Fp8labError } from '../errors.ts';
import { didYouMean } from '../specs/nearest.ts';

interface Described {
  /** What it means, for help and forms: no full stop. */
  readonly text: string;
}

/** A whole number. */
export interface IntegerOption extends Described {
  readonly kind: 'integer';
  readonly least: number;
  readonly most: number;
  readonly default: number;
}

/** Any number in a range, ends included. */
export interface NumberOption extends Described {
  readonly kind: 'number';
  readonly least: number;
  readonly most: number;
  readonly default: number;
}

/** Whole numbers, comma-separated on the command line. */
export interface IntegersOption extends Described {
  readonly kind: 'integers';
  readonly least: number;
  readonly most: number;
  readonly default: readonly number[];
}

/** One of several names. */
export interface ChoiceOption<T extends string = string> extends Described {
  readonly kind: 'choice';
  readonly choices: readonly T[];
  readonly default: T;
}

/** Some of several names, comma-separated on the command line. */
export interface ChoicesOption<T extends string = string> extends Described {
  readonly kind: 'choices';
  readonly choices: readonly T[];
  readonly default: readonly T[];
}

/** Off unless given. */
export interface FlagOption extends Described {
  readonly kind: 'flag';
}

/** An option of a study. */
export type OptionDeclaration =
  | IntegerOption
  | NumberOption
  | IntegersOption
  | ChoiceOption
  | ChoicesOption
  | FlagOption;

/** Options by their name in camel case; on the command line `learningRate` is `--learning-rate`. */
export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

type ValueOf<O extends OptionDeclaration> = O extends IntegerOption | NumberOption
  ? number
  : O extends IntegersOption
    ? readonly number[]
    : O extends ChoiceOption<infer T>
      ? T
      : O extends ChoicesOption<infer T>
        ? readonly T[]
        : boolean;

/** Values of declared options. */
export type OptionValues<D extends OptionDeclarations> = { readonly [K in keyof D]: ValueOf<D[K]> };

/** Values whose declarations are not known to the compiler. */
export type AnyOptionValues = OptionValues<OptionDeclarations>;

/** An option that every study with generated data has: the Philox key. */
export const seedOption = {
  kind: 'integer',
  least: 0,
  most: 2 ** 32 - 1,
  default: 1,
  text: 'Philox key of everything generated',
} as const satisfies OptionDeclaration;

/** `learningRate` as `--learning-rate`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The value an option has where none is given. */
export function defaultOf(option: OptionDeclaration): number | string | boolean | readonly (number | string)[] {
  return option.kind === 'flag' ? false : option.default;
}

/** An option's value as the text of the command line. */
export function optionText(value: AnyOptionValues[string]): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

/**
 * Values from given ones (text of the command line, numbers and lists of a page); what is not given takes its default.
 * Throws a usage error that names the option and what it takes.
 */
export function readOptions<D extends OptionDeclarations>(
  declarations: D,
  given: Readonly<Record<string, unknown>>,
): OptionValues<D> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(declarations, name)) {
      const known = Object.keys(declarations).map(flagOf);
      throw usage(
        `there is no option ${flagOf(name)}${didYouMean(flagOf(name), known)}`,
        flagOf(name),
        `use ${known.join(', ')}`,
      );
    }
  }
  const values = Object.entries(declarations).map(([name, option]) => [
    name,
    given[name] === undefined ? defaultOf(option) : readOption(option, given[name], flagOf(name)),
  ]);
  return Object.fromEntries(values) as OptionValues<D>;
}

function readOption(option: OptionDeclaration, given: unknown, flag: string): AnyOptionValues[string] {
  switch (option.kind) {
    case 'flag':
      return given === true || given === 'true';
    case 'integer':
    case 'number':
      return readNumber(option, given, flag);
    case 'integers':
      return listOf(given, flag).map((item) => readNumber(option, item, flag));
    case 'choice':
      return readChoice(option.choices, String(given), flag);
    case 'choices':
      return listOf(given, flag).map((item) => readChoice(option.choices, String(item).trim(), flag));
  }
}

function readNumber(option: IntegerOption | NumberOption | IntegersOption, given: unknown, flag: string): number {
  const value = typeof given === 'string' && given.trim() === '' ? Number.NaN : Number(given);
  const whole = option.kind !== 'number';
  if (value >= option.least && value <= option.most && (!whole || Number.isSafeInteger(value))) return value;
  const what = whole ? 'a whole number' : 'a number';
  throw usage(`${flag} ${String(given)} is out of range`, flag, `give ${what} from ${option.least} to ${option.most}`);
}

function readChoice(choices: readonly string[], given: string, flag: string): string {
  if (choices.includes(given)) return given;
  throw usage(`${flag} knows no "${given}"${didYouMean(given, choices)}`, flag, `use ${choices.join(', ')}`);
}

function listOf(given: unknown, flag: string): readonly unknown[] {
  const items = Array.isArray(given) ? given : String(given).split(',');
  if (new Set(items.map(String)).size === items.length && items.length > 0) return items;
  throw usage(`${flag} names the same twice, or nothing`, flag, 'give each value once, separated by commas');
}

function usage(message: string, where: string, fix: string): Fp8labError {
  return new Fp8labError(message, { kind: 'usage', code: 'bad-option', where, fix });
}
